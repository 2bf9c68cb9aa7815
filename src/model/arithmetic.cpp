#include "model/arithmetic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/secret.h"
#include "base/tasks.h"
#include "lattice/modulus.h"

namespace flash::model {
namespace {

/// Rows or columns of a map in a window, those outside of the map left out.
struct Range {
    int first, end;
};

std::vector<Range> ranges(int windows, int stride, int pad, int kernel, int size) {
    std::vector<Range> result;
    for (int i = 0; i < windows; ++i) {
        const int first = i * stride - pad;
        result.push_back({std::max(first, 0), std::min(first + kernel, size)});
    }
    return result;
}

template <class T, class Sum, class Finish>
void pool_map(std::span<const T> in, const Shape& shape, const Window& window, std::span<T> out, Finish&& finish) {
    const std::size_t plane = static_cast<std::size_t>(shape.height) * static_cast<std::size_t>(shape.width);
    const std::size_t out_plane = static_cast<std::size_t>(window.out_height(shape.height)) *
                                  static_cast<std::size_t>(window.out_width(shape.width));
    const auto channels = static_cast<std::size_t>(shape.channels);
    require(in.size() == channels * plane && out.size() == channels * out_plane, ErrorKind::kInternal,
            "sum_pool: wrong size of a map");
    const PoolLevels levels = pool_levels(shape, window);
    const auto rows = ranges(window.out_height(shape.height), window.stride_h, window.pad_top, window.kernel_h,
                             shape.height),
               columns = ranges(window.out_width(shape.width), window.stride_w, window.pad_left, window.kernel_w,
                                shape.width);
    const auto width = static_cast<std::size_t>(shape.width);
    constexpr std::size_t kTogether = std::size_t{1} << 14;  // values in one task, at least
    parallel_for(std::size_t{0}, channels, kTogether / plane + 1, [&](std::size_t first, std::size_t end) {
        SecretVector<Sum> sums(width);  // of a window's rows, column by column: in a share they are secret
        for (std::size_t c = first; c < end; ++c) {
            T* target = out.data() + c * out_plane;
            for (std::size_t y = 0; y < rows.size(); ++y) {
                std::ranges::fill(sums, Sum{0});
                for (int from = rows[y].first; from < rows[y].end; ++from) {
                    const T* row = in.data() + c * plane + static_cast<std::size_t>(from) * width;
                    for (std::size_t x = 0; x < width; ++x) sums[x] += row[x];
                }
                for (std::size_t x = 0; x < columns.size(); ++x) {
                    Sum sum = 0;
                    for (int at = columns[x].first; at < columns[x].end; ++at)
                        sum += sums[static_cast<std::size_t>(at)];
                    *target++ = finish(c, sum * static_cast<Sum>(levels.rows[y] * levels.columns[x]));
                }
            }
        }
    });
}

}  // namespace

std::vector<std::int32_t> quantise_input(const Architecture& architecture, std::span<const float> pixels) {
    if (static_cast<std::int64_t>(pixels.size()) != architecture.input.size())
        throw Error(ErrorKind::kInvalidArgument,
                    fmt::format("the input has {} values; the model wants {} ({} x {} x {})", pixels.size(),
                                architecture.input.size(), architecture.input.channels, architecture.input.height,
                                architecture.input.width));
    std::vector<std::int32_t> out(pixels.size());
    const double limit = architecture.input_limit;
    for (std::size_t i = 0; i < pixels.size(); ++i) {
        if (!std::isfinite(pixels[i]))
            throw Error(ErrorKind::kInvalidArgument, "the input holds a value that is not a finite number");
        out[i] = static_cast<std::int32_t>(std::clamp(std::round(pixels[i] / architecture.input_scale), -limit, limit));
    }
    return out;
}

void sum_pool(std::span<const std::uint32_t> in, const Shape& shape, const Window& window,
              std::span<const std::uint32_t> channel_moduli, std::span<std::uint32_t> out) {
    require(channel_moduli.size() == static_cast<std::size_t>(shape.channels), ErrorKind::kInternal,
            "sum_pool: there must be one modulus per channel");
    // A window holds at most 2^24 values below 2^28, and its level is at most 2^12: a 64-bit sum cannot wrap. The
    // values are shares, so the remainder is taken without a division instruction, whose time depends on its operands.
    std::vector<lattice::Divider> by_modulus;
    for (std::uint32_t modulus : channel_moduli) by_modulus.emplace_back(modulus);
    pool_map<std::uint32_t, std::uint64_t>(in, shape, window, out, [&](std::size_t channel, std::uint64_t sum) {
        return static_cast<std::uint32_t>(sum - by_modulus[channel].quotient(sum) * channel_moduli[channel]);
    });
}

void sum_pool(std::span<const std::int64_t> in, const Shape& shape, const Window& window, std::span<std::int64_t> out) {
    pool_map<std::int64_t, std::int64_t>(in, shape, window, out, [](std::size_t, std::int64_t sum) { return sum; });
}

std::vector<float> dequantise_output(const Architecture& architecture, std::span<const std::int32_t> x) {
    std::vector<float> out(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) out[i] = static_cast<float>(architecture.output_scale * x[i]);
    return out;
}

}  // namespace flash::model
