// The decoders behind decode_image(), one file per format.
#pragma once

#include "data/image.h"

namespace flash::data {

Image decode_png(std::span<const std::uint8_t> bytes, const std::string& name);
Image decode_jpeg(std::span<const std::uint8_t> bytes, const std::string& name);

/// Throws Error(kFile) unless the extents are positive and within the limits.
void check_image_extents(std::int64_t height, std::int64_t width, const std::string& name);

}  // namespace flash::data
