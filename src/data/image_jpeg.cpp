#include <fmt/format.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>

// jpeglib.h needs stdio's types before it.
#include <jpeglib.h>

#include <jerror.h>

#include "base/error.h"
#include "data/image_codecs.h"

namespace flash::data {
namespace {

/// A progressive file may repeat scans endlessly at little cost in bytes; honest files have about ten.
constexpr int kMaxScans = 200;

/// libjpeg reports errors by a call that must not return; this one jumps back into decode().
struct ErrorManager {
    jpeg_error_mgr base{};  // first, so that a pointer to it is a pointer to this
    std::jmp_buf jump{};
    char message[JMSG_LENGTH_MAX] = {};
};

ErrorManager* manager_of(j_common_ptr info) { return reinterpret_cast<ErrorManager*>(info->err); }

[[noreturn]] void on_error(j_common_ptr info) {
    ErrorManager* manager = manager_of(info);
    info->err->format_message(info, manager->message);
    std::longjmp(manager->jump, 1);
}

/// Warnings that mean lost picture data are errors here; the rest (stray bytes, odd headers) is ignored.
void on_message(j_common_ptr info, int level) {
    if (level >= 0) return;
    const int code = info->err->msg_code;
    if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_MUST_RESYNC)
        on_error(info);
}

void on_progress(j_common_ptr info) {
    if (info->is_decompressor != 0 && reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMaxScans) {
        info->err->msg_code = JERR_BAD_PROGRESSION;
        on_error(info);
    }
}

constexpr std::size_t kExifMark = 6;  // bytes in front of the data in a marker APP1

int exif_orientation_of(const jpeg_marker_struct& marker) {
    if (marker.data_length < kExifMark || std::memcmp(marker.data, "Exif\0\0", kExifMark) != 0) return 1;
    return exif_orientation(reinterpret_cast<const std::uint8_t*>(marker.data) + kExifMark,
                            marker.data_length - kExifMark);
}

enum class Outcome { kDone, kDamaged, kBadExtents, kCmyk };

/// Owns nothing itself: all that has a destructor lives in the caller, because longjmp passes over destructors here.
Outcome decode(jpeg_decompress_struct& info, ErrorManager& manager, jpeg_progress_mgr& progress,
               std::span<const std::uint8_t> bytes, Image& image, int& orientation) {
    if (setjmp(manager.jump) != 0) return Outcome::kDamaged;
    jpeg_create_decompress(&info);
    info.progress = &progress;
    jpeg_mem_src(&info, bytes.data(), bytes.size());
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info, TRUE);
    if (info.image_width > kImageMaxSide || info.image_height > kImageMaxSide ||
        std::int64_t{info.image_width} * info.image_height > kImageMaxPixels) {
        return Outcome::kBadExtents;
    }
    const bool grey = info.jpeg_color_space == JCS_GRAYSCALE;
    if (info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK) return Outcome::kCmyk;
    info.out_color_space = grey ? JCS_GRAYSCALE : JCS_RGB;
    info.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&info);
    image = Image(grey ? 1 : 3, static_cast<int>(info.output_height), static_cast<int>(info.output_width));
    for (const jpeg_marker_struct* marker = info.marker_list; marker != nullptr; marker = marker->next)
        if (marker->marker == JPEG_APP0 + 1) orientation = std::max(orientation, exif_orientation_of(*marker));
    while (info.output_scanline < info.output_height) {
        JSAMPROW row = image.row(static_cast<int>(info.output_scanline));
        jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
    return Outcome::kDone;
}

}  // namespace

Image decode_jpeg(std::span<const std::uint8_t> bytes, const std::string& name) {
    jpeg_decompress_struct info{};
    ErrorManager manager;
    info.err = jpeg_std_error(&manager.base);
    manager.base.error_exit = on_error;
    manager.base.emit_message = on_message;
    jpeg_progress_mgr progress{};
    progress.progress_monitor = on_progress;

    Image image;
    int orientation = 1;
    const Outcome outcome = decode(info, manager, progress, bytes, image, orientation);
    const std::int64_t width = info.image_width, height = info.image_height;
    jpeg_destroy_decompress(&info);
    switch (outcome) {
        case Outcome::kDone: break;
        case Outcome::kBadExtents: check_image_extents(height, width, name); break;
        case Outcome::kCmyk:
            throw Error(ErrorKind::kUnsupported, fmt::format("picture '{}' is a CMYK JPEG; convert it to RGB", name));
        case Outcome::kDamaged:
            throw Error(ErrorKind::kFile,
                        fmt::format("JPEG picture '{}' is damaged or truncated: {}", name, manager.message));
    }
    image.dropped = dropped_orientation(orientation);
    return image;
}

}  // namespace flash::data
