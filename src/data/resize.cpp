#include "data/resize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace flash::data {
namespace {

/// Filter weights are integers over 2^kWeightBits. Two bits are left for the sum's sign and rounding.
constexpr int kWeightBits = 32 - 8 - 2;

/// Which source pixels make one target pixel, and with which weights (their sum is 2^kWeightBits up to rounding).
struct Taps {
    int first = 0;
    std::vector<std::int32_t> weights;
};

std::vector<Taps> triangle_taps(int source, int target) {
    const double scale = static_cast<double>(source) / target;
    const double support = std::max(scale, 1.0);
    std::vector<Taps> taps(static_cast<std::size_t>(target));
    std::vector<double> weights;
    for (int i = 0; i < target; ++i) {
        const double centre = (i + 0.5) * scale;
        const int first = std::max(static_cast<int>(std::trunc(centre - support + 0.5)), 0);
        const int last = std::min(static_cast<int>(std::trunc(centre + support + 0.5)), source);
        weights.clear();
        double sum = 0;
        for (int x = first; x < last; ++x) {
            const double distance = std::abs((x - centre + 0.5) * (1.0 / support));
            weights.push_back(distance < 1.0 ? 1.0 - distance : 0.0);
            sum += weights.back();
        }
        Taps& tap = taps[i];
        tap.first = first;
        for (const double weight : weights) {
            tap.weights.push_back(
                static_cast<std::int32_t>(std::trunc(0.5 + (sum != 0 ? weight / sum : weight) * (1 << kWeightBits))));
        }
    }
    return taps;
}

/// The weighted mean of a tap's pixels, which lie `step` bytes apart from `source` on.
std::uint8_t filtered(const std::uint8_t* source, std::size_t step, const Taps& tap) {
    std::int32_t sum = 1 << (kWeightBits - 1);
    for (std::size_t k = 0; k < tap.weights.size(); ++k) sum += tap.weights[k] * source[k * step];
    return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

Image resize_width(const Image& image, int width) {
    const std::vector<Taps> taps = triangle_taps(image.width, width);
    const auto channels = static_cast<std::size_t>(image.channels);
    Image out(image.channels, image.height, width);
    for (int y = 0; y < image.height; ++y) {
        std::uint8_t* target = out.row(y);
        for (const Taps& tap : taps) {
            const std::uint8_t* source = image.row(y) + static_cast<std::size_t>(tap.first) * channels;
            for (std::size_t c = 0; c < channels; ++c) *target++ = filtered(source + c, channels, tap);
        }
    }
    return out;
}

Image resize_height(const Image& image, int height) {
    const std::vector<Taps> taps = triangle_taps(image.height, height);
    const std::size_t row_bytes = image.row_bytes();
    Image out(image.channels, height, image.width);
    for (int y = 0; y < height; ++y) {
        const Taps& tap = taps[y];
        const std::uint8_t* source = image.row(tap.first);
        std::uint8_t* target = out.row(y);
        for (std::size_t x = 0; x < row_bytes; ++x) target[x] = filtered(source + x, row_bytes, tap);
    }
    return out;
}

/// Half of a difference, rounded half to even.
int half(int difference) { return difference / 2 + (difference % 4 == 3 ? 1 : 0); }

}  // namespace

Image resize(const Image& image, int height, int width) {
    if (height < 1 || width < 1 || height > kImageMaxSide || width > kImageMaxSide ||
        std::int64_t{height} * width > kImageMaxPixels) {
        throw Error(ErrorKind::kInvalidArgument,
                    fmt::format("a picture of {} x {} pixels (width x height) cannot be resized to {} x {}",
                                image.width, image.height, width, height));
    }
    if (width == image.width && height == image.height) return image;
    if (width == image.width) return resize_height(image, height);
    Image out = resize_width(image, width);
    return height == image.height ? out : resize_height(out, height);
}

Image resize_short_side(const Image& image, int side) {
    const std::int64_t shorter = std::min(image.width, image.height);
    const std::int64_t longer = std::max(image.width, image.height);
    if (shorter == side) return image;
    const int other = static_cast<int>(std::min<std::int64_t>(side * longer / shorter, kImageMaxSide + 1));
    return image.width <= image.height ? resize(image, other, side) : resize(image, side, other);
}

Image centre_crop(const Image& image, int height, int width) {
    if (height < 1 || width < 1 || height > image.height || width > image.width) {
        throw Error(ErrorKind::kInvalidArgument,
                    fmt::format("cannot crop {} x {} pixels (width x height) out of a picture of {} x {}", width,
                                height, image.width, image.height));
    }
    const int top = half(image.height - height);
    const int left = half(image.width - width);
    Image out(image.channels, height, width);
    for (int y = 0; y < height; ++y) {
        std::memcpy(out.row(y),
                    image.row(top + y) + static_cast<std::size_t>(left) * static_cast<std::size_t>(image.channels),
                    out.row_bytes());
    }
    return out;
}

Image with_channels(const Image& image, int channels) {
    require(channels == 1 || channels == 3, ErrorKind::kInternal, "pictures have 1 or 3 channels");
    if (image.channels == channels) return image;
    Image out(channels, image.height, image.width);
    const std::size_t count = static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width);
    for (std::size_t i = 0; i < count; ++i) {
        if (channels == 3) {
            std::fill_n(out.pixels.begin() + static_cast<std::ptrdiff_t>(3 * i), 3, image.pixels[i]);
        } else {
            const std::uint8_t* rgb = image.pixels.data() + 3 * i;
            out.pixels[i] =
                static_cast<std::uint8_t>((rgb[0] * 19595U + rgb[1] * 38470U + rgb[2] * 7471U + 0x8000U) >> 16);
        }
    }
    return out;
}

}  // namespace flash::data
