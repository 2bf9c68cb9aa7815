// Convolution of one CHW map, dense or in groups: a blocked matrix product over gathered patches (im2col in small
// panels), or row by row where a group has too few outputs for that. Used by the twin on exact integers and by the
// compiler's calibration on ordinary doubles.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "model/architecture.h"

namespace flash::model {

/// Weights [out][in / groups][kernel_h][kernel_w], repacked for the kernel. Immutable after construction: shared by
/// threads.
class Convolution {
public:
    template <class Weight>
    Convolution(const std::vector<Weight>& weights, int out_channels, const Shape& in, const Window& window,
                int groups = 1)
        : Convolution(out_channels, in, window, groups) {
        for (std::size_t o = 0, index = 0; o < static_cast<std::size_t>(out_channels); ++o)
            for (std::size_t k = 0; k < depth_; ++k, ++index) at(o, k) = static_cast<double>(weights.at(index));
    }

    /// out[o][y][x] += convolution of in; `out` has out_channels maps of the window's output extents.
    void add_to(std::span<const double> in, std::span<double> out) const;

private:
    Convolution(int out_channels, const Shape& in, const Window& window, int groups);
    double& at(std::size_t out, std::size_t k);
    void add_group(const double* padded, const std::vector<std::size_t>& offsets, const double* packed,
                   std::size_t positions, double* out) const;
    void add_thin_group(const double* padded, const std::vector<std::size_t>& offsets, const double* weights,
                        double* out) const;
    std::size_t padded_width() const;

    int out_channels_;
    Shape in_;
    Window window_;
    std::size_t groups_, group_outputs_;
    bool thin_;                   // too few outputs in a group for the blocked product
    std::size_t depth_;           // in.channels / groups * kernel_h * kernel_w
    std::vector<double> packed_;  // [group][block of kTileRows outputs][k][kTileRows]; thin: [out][k]
};

}  // namespace flash::model
