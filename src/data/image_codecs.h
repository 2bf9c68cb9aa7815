// The decoders behind decode_image(), one file per format.
#pragma once

#include "data/image.h"

namespace flash::data {

Image decode_png(std::span<const std::uint8_t> bytes, const std::string& name);
Image decode_jpeg(std::span<const std::uint8_t> bytes, const std::string& name);

/// The orientation in EXIF data, a TIFF structure (1: upright, also where none is told). Without a destructor, as
/// longjmp may pass over it.
int exif_orientation(const std::uint8_t* tiff, std::size_t size);
/// What Image::dropped says of an orientation; empty for an upright picture.
std::string dropped_orientation(int orientation);

/// Throws Error(kFile) unless the extents are positive and within the limits.
void check_image_extents(std::int64_t height, std::int64_t width, const std::string& name);

}  // namespace flash::data
