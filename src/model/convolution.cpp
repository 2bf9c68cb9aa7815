#include "model/convolution.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "model/kernels/gemm.h"

namespace flash::model {
namespace {

using kernels::kTileColumns;
using kernels::kTileRows;

constexpr std::size_t kDepthBlock =
    256;  // a block of B (256 x 8 doubles) and of A (256 x 6) stay in the first-level cache
constexpr std::size_t kColumnBlock = 64;  // outputs whose patches are gathered together

std::size_t size(int value) { return static_cast<std::size_t>(value); }

}  // namespace

Convolution::Convolution(int out_channels, const Shape& in, const Window& window, int groups)
    : out_channels_(out_channels),
      in_(in),
      window_(window),
      groups_(size(groups)),
      group_outputs_(size(out_channels / groups)),
      thin_(2 * group_outputs_ <= kTileRows && groups > 1),
      depth_(size(in.channels / groups) * size(window.kernel_h) * size(window.kernel_w)) {
    const std::size_t row_blocks = (group_outputs_ + kTileRows - 1) / kTileRows;
    packed_.assign(thin_ ? size(out_channels) * depth_ : groups_ * row_blocks * depth_ * kTileRows, 0.0);
}

double& Convolution::at(std::size_t out, std::size_t k) {
    if (thin_) return packed_[out * depth_ + k];
    const std::size_t row_blocks = (group_outputs_ + kTileRows - 1) / kTileRows, row = out % group_outputs_;
    return packed_[((out / group_outputs_ * row_blocks + row / kTileRows) * depth_ + k) * kTileRows + row % kTileRows];
}

std::size_t Convolution::padded_width() const { return size(in_.width + window_.pad_left + window_.pad_right); }

void Convolution::add_to(std::span<const double> in, std::span<double> out) const {
    const std::size_t out_w = size(window_.out_width(in_.width)),
                      positions = size(window_.out_height(in_.height)) * out_w;
    require(static_cast<std::int64_t>(in.size()) == in_.size() && out.size() == size(out_channels_) * positions,
            ErrorKind::kInternal, "convolution: wrong size of a map");

    // The map with its zero padding, so that a patch element is a fixed offset from its window's corner.
    const std::size_t height = size(in_.height + window_.pad_top + window_.pad_bottom), width = padded_width();
    std::vector<double> padded_store;
    const double* padded = in.data();
    if (height != size(in_.height) || width != size(in_.width)) {
        padded_store.assign(size(in_.channels) * height * width, 0.0);
        for (std::size_t c = 0; c < size(in_.channels); ++c)
            for (std::size_t y = 0; y < size(in_.height); ++y)
                std::memcpy(&padded_store[(c * height + y + size(window_.pad_top)) * width + size(window_.pad_left)],
                            &in[(c * size(in_.height) + y) * size(in_.width)], size(in_.width) * sizeof(double));
        padded = padded_store.data();
    }
    std::vector<std::size_t> offsets(depth_);  // of the first group
    const std::size_t group_inputs = size(in_.channels) / groups_;
    for (std::size_t c = 0, k = 0; c < group_inputs; ++c)
        for (std::size_t y = 0; y < size(window_.kernel_h); ++y)
            for (std::size_t x = 0; x < size(window_.kernel_w); ++x, ++k)
                offsets[k] = (c * height + y * size(window_.dilation_h)) * width + x * size(window_.dilation_w);

    for (std::size_t group = 0; group < groups_; ++group) {
        const double* source = padded + group * group_inputs * height * width;
        const double* weights = packed_.data() + group * (packed_.size() / groups_);
        double* target = out.data() + group * group_outputs_ * positions;
        if (thin_)
            add_thin_group(source, offsets, weights, target);
        else
            add_group(source, offsets, weights, positions, target);
    }
}

void Convolution::add_thin_group(const double* padded, const std::vector<std::size_t>& offsets, const double* weights,
                                 double* out) const {
    const std::size_t rows = size(window_.out_height(in_.height)), columns = size(window_.out_width(in_.width)),
                      step = size(window_.stride_w);
    for (std::size_t o = 0; o < group_outputs_; ++o)
        for (std::size_t y = 0; y < rows; ++y, out += columns)
            for (std::size_t k = 0; k < depth_; ++k) {
                const double* from = padded + y * size(window_.stride_h) * padded_width() + offsets[k];
                const double weight = weights[o * depth_ + k];
                for (std::size_t x = 0; x < columns; ++x) out[x] += weight * from[x * step];
            }
}

void Convolution::add_group(const double* padded, const std::vector<std::size_t>& offsets, const double* packed,
                            std::size_t positions, double* out) const {
    const std::size_t width = padded_width(), out_w = size(window_.out_width(in_.width));
    const std::size_t row_blocks = (group_outputs_ + kTileRows - 1) / kTileRows;
    std::vector<double> panel(kDepthBlock * kColumnBlock);            // [column tile][k][kTileColumns]
    std::vector<double> sums(row_blocks * kTileRows * kColumnBlock);  // [out][column]
    const kernels::GemmTile tile = kernels::gemm_tile();
    for (std::size_t begin = 0; begin < positions; begin += kColumnBlock) {
        const std::size_t columns = std::min(kColumnBlock, positions - begin);
        const std::size_t column_tiles = (columns + kTileColumns - 1) / kTileColumns;
        std::size_t corner[kColumnBlock];
        for (std::size_t j = 0; j < column_tiles * kTileColumns; ++j) {
            const std::size_t position =
                begin + std::min(j, columns - 1);  // surplus columns repeat the last one and are dropped
            corner[j] =
                (position / out_w) * size(window_.stride_h) * width + (position % out_w) * size(window_.stride_w);
        }
        std::fill(sums.begin(), sums.end(), 0.0);
        for (std::size_t k0 = 0; k0 < depth_; k0 += kDepthBlock) {
            const std::size_t depth = std::min(kDepthBlock, depth_ - k0);
            for (std::size_t t = 0; t < column_tiles; ++t) {
                double* target = &panel[t * depth * kTileColumns];
                const std::size_t* from = corner + t * kTileColumns;
                for (std::size_t k = 0; k < depth; ++k, target += kTileColumns) {
                    const double* source = padded + offsets[k0 + k];
                    for (std::size_t j = 0; j < kTileColumns; ++j) target[j] = source[from[j]];
                }
            }
            for (std::size_t r = 0; r < row_blocks; ++r)
                for (std::size_t t = 0; t < column_tiles; ++t)
                    tile(packed + (r * depth_ + k0) * kTileRows, &panel[t * depth * kTileColumns], depth,
                         &sums[r * kTileRows * kColumnBlock + t * kTileColumns], kColumnBlock);
        }
        for (std::size_t o = 0; o < group_outputs_; ++o)
            for (std::size_t j = 0; j < columns; ++j) out[o * positions + begin + j] += sums[o * kColumnBlock + j];
    }
}

}  // namespace flash::model
