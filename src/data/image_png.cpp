#include <fmt/format.h>
#include <png.h>

#include "base/error.h"
#include "base/file.h"
#include "data/image_codecs.h"

namespace flash::data {
namespace {

/// libpng's simplified interface; its state is freed in every case.
struct PngImage : png_image {
    PngImage() : png_image{} { version = PNG_IMAGE_VERSION; }
    ~PngImage() { png_image_free(this); }
    PngImage(const PngImage&) = delete;
    PngImage& operator=(const PngImage&) = delete;
};

}  // namespace

Image decode_png(std::span<const std::uint8_t> bytes, const std::string& name) {
    PngImage png;
    const auto fail = [&] {
        throw Error(ErrorKind::kFile, fmt::format("PNG picture '{}' is damaged or truncated: {}", name, png.message));
    };
    if (png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()) == 0) fail();
    check_image_extents(png.height, png.width, name);
    const bool colour = (png.format & PNG_FORMAT_FLAG_COLOR) != 0;
    // 16-bit samples are taken to be sRGB-encoded like 8-bit ones, not linear light.
    png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    png.format = colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    Image image(colour ? 3 : 1, static_cast<int>(png.height), static_cast<int>(png.width));
    const png_color white = {255, 255, 255};
    if (png_image_finish_read(&png, &white, image.pixels.data(), 0, nullptr) == 0) fail();
    return image;
}

void write_png(const std::string& path, const Image& image) {
    PngImage png;
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
