// Pictures as decoded from PNG and JPEG files: 8-bit grey or RGB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace flash::data {

struct Image {
    int channels = 0;  ///< 1 (grey) or 3 (red, green, blue)
    int height = 0, width = 0;
    std::vector<std::uint8_t> pixels;  ///< row by row, the channels of a pixel together (HWC)
    std::string dropped;               ///< what the file says beyond the pixels and was left out, for a warning

    Image() = default;
    Image(int channel_count, int rows, int columns)
        : channels(channel_count),
          height(rows),
          width(columns),
          pixels(static_cast<std::size_t>(channel_count) * static_cast<std::size_t>(rows) *
                 static_cast<std::size_t>(columns)) {}
    std::size_t row_bytes() const { return static_cast<std::size_t>(width) * static_cast<std::size_t>(channels); }
    std::uint8_t* row(int y) { return pixels.data() + static_cast<std::size_t>(y) * row_bytes(); }
    const std::uint8_t* row(int y) const { return pixels.data() + static_cast<std::size_t>(y) * row_bytes(); }
};

// Limits on what is decoded, checked before the pixels are allocated.
inline constexpr std::uint64_t kImageMaxFileBytes = std::uint64_t{64} << 20;
inline constexpr std::int64_t kImageMaxSide = 32768;
inline constexpr std::int64_t kImageMaxPixels = std::int64_t{1} << 26;

/// Whether a file name ends like a picture's (.png, .jpg, .jpeg, in any case).
bool has_image_suffix(const std::string& path);

/// Decodes a PNG or JPEG file held in memory; which of the two is seen from its first bytes. The pixels are those of
/// PIL's convert("RGB"), on which networks are trained: palettes are expanded; transparency is dropped, not laid on a
/// colour; of 16-bit samples the upper byte is kept; gamma, colour profiles and EXIF orientation are not applied.
/// `dropped` says where transparency or an orientation was there. Throws Error(kFile) if the bytes are no picture, are
/// truncated or damaged, or exceed the limits; Error(kUnsupported) for CMYK JPEG. `name` is for messages.
Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name);

Image read_image(const std::string& path);

/// Writes an 8-bit PNG. Throws Error(kFile).
void write_png(const std::string& path, const Image& image);

}  // namespace flash::data
