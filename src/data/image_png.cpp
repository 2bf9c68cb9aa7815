// PNG as training loaders see it: what PIL's convert("RGB") gives. Gamma and colour profiles are not applied,
// transparency is dropped and not blended with anything, of 16-bit samples the upper byte is kept.
#include <fmt/format.h>
#include <png.h>

#include <csetjmp>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "data/image_codecs.h"

namespace flash::data {
namespace {

/// libpng reports errors by a call that must not return; this one jumps back into decode().
struct Reader {
    std::span<const std::uint8_t> bytes;
    std::jmp_buf jump{};
    char message[200] = {};
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
    auto* reader = static_cast<Reader*>(png_get_error_ptr(png));
    std::strncpy(reader->message, message, sizeof reader->message - 1);
    std::longjmp(reader->jump, 1);
}

void on_warning(png_structp, png_const_charp) {}  // odd ancillary chunks

void on_read(png_structp png, png_bytep out, png_size_t size) {
    auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
    if (size > reader->bytes.size()) png_error(png, "it ends too early");
    std::memcpy(out, reader->bytes.data(), size);
    reader->bytes = reader->bytes.subspan(size);
}

enum class Outcome { kDone, kDamaged, kBadExtents };

struct State {
    png_structp png = nullptr;
    png_infop info = nullptr;
    png_uint_32 width = 0, height = 0;
    bool transparent = false;
    int orientation = 1;
};

/// Owns nothing itself: all that has a destructor lives in the caller, because longjmp passes over destructors here.
Outcome decode(Reader& reader, State& state, Image& image) {
    if (setjmp(reader.jump) != 0) return Outcome::kDamaged;
    png_set_read_fn(state.png, &reader, on_read);
    // Compressed text and profiles are of no use here and may be made to fill memory.
    png_set_keep_unknown_chunks(state.png, PNG_HANDLE_CHUNK_NEVER, nullptr, 0);
    png_set_chunk_malloc_max(state.png, 1 << 20);
    png_read_info(state.png, state.info);
    int depth = 0, type = 0;
    png_get_IHDR(state.png, state.info, &state.width, &state.height, &depth, &type, nullptr, nullptr, nullptr);
    if (state.width > kImageMaxSide || state.height > kImageMaxSide ||
        std::int64_t{state.width} * state.height > kImageMaxPixels)
        return Outcome::kBadExtents;
    state.transparent = (type & PNG_COLOR_MASK_ALPHA) != 0 || png_get_valid(state.png, state.info, PNG_INFO_tRNS) != 0;
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(state.png);
    if (type == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(state.png);
    png_set_strip_16(state.png);
    png_set_strip_alpha(state.png);
    const int passes = png_set_interlace_handling(state.png);
    png_read_update_info(state.png, state.info);
    const bool colour = (type & PNG_COLOR_MASK_COLOR) != 0;
    image = Image(colour ? 3 : 1, static_cast<int>(state.height), static_cast<int>(state.width));
    if (png_get_rowbytes(state.png, state.info) != image.row_bytes()) png_error(state.png, "rows of an odd size");
    for (int pass = 0; pass < passes; ++pass)
        for (int y = 0; y < image.height; ++y) png_read_row(state.png, image.row(y), nullptr);
    png_read_end(state.png, state.info);  // EXIF data may come before or behind the pixels
    png_uint_32 size = 0;
    png_bytep exif = nullptr;
    if (png_get_eXIf_1(state.png, state.info, &size, &exif) != 0) state.orientation = exif_orientation(exif, size);
    return Outcome::kDone;
}

}  // namespace

Image decode_png(std::span<const std::uint8_t> bytes, const std::string& name) {
    Reader reader{bytes};
    State state;
    state.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning);
    if (state.png != nullptr) state.info = png_create_info_struct(state.png);
    Image image;
    const Outcome outcome = state.info != nullptr ? decode(reader, state, image) : Outcome::kDamaged;
    png_destroy_read_struct(&state.png, &state.info, nullptr);
    if (outcome == Outcome::kBadExtents) check_image_extents(state.height, state.width, name);
    if (outcome != Outcome::kDone)
        throw Error(ErrorKind::kFile,
                    fmt::format("PNG picture '{}' is damaged or truncated: {}", name, reader.message));
    image.dropped = dropped_orientation(state.orientation);
    if (state.transparent)
        image.dropped = image.dropped.empty() ? "its transparency" : "its transparency and " + image.dropped;
    return image;
}

void write_png(const std::string& path, const Image& image) {
    png_image png{};
    png.version = PNG_IMAGE_VERSION;
    png.width = static_cast<png_uint_32>(image.width);
    png.height = static_cast<png_uint_32>(image.height);
    png.format = image.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    png_alloc_size_t size = 0;
    const auto write = [&](std::string* bytes) {
        if (png_image_write_to_memory(&png, bytes != nullptr ? bytes->data() : nullptr, &size, 0, image.pixels.data(),
                                      0, nullptr) == 0)
            throw Error(ErrorKind::kFile, fmt::format("cannot write '{}': {}", path, png.message));
    };
    write(nullptr);  // says how many bytes it will be
    std::string bytes(size, '\0');
    write(&bytes);
    write_file(path, bytes, Access::kEveryone);
}

}  // namespace flash::data
