// Resizing with antialiasing, to the bit like Pillow's (and so torchvision's) bilinear resize of 8-bit pictures:
// networks are trained on pictures resized that way.
#pragma once

#include "data/image.h"

namespace flash::data {

/// The picture at height x width. When shrinking, the triangle filter is as wide as the ratio, so that every source
/// pixel counts. Throws Error(kInvalidArgument) if the extents are outside the limits of image.h.
Image resize(const Image& image, int height, int width);

/// The short side becomes `side`, the long one follows, rounded down.
Image resize_short_side(const Image& image, int side);

/// The central part; the upper left corner is rounded half to even, like torchvision's. Throws Error(kInvalidArgument)
/// if the picture is smaller than that.
Image centre_crop(const Image& image, int height, int width);

/// The picture with 1 or 3 channels: grey is repeated, colour becomes luma (0.299 R + 0.587 G + 0.114 B).
Image with_channels(const Image& image, int channels);

}  // namespace flash::data
