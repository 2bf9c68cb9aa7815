// Dense convolution of one CHW map as a blocked matrix product over gathered patches (im2col in small panels).
// Used by the twin on exact integers and by the compiler's calibration on ordinary doubles.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "model/architecture.h"

namespace flash::model {

/// Weights [out][in][kernel_h][kernel_w], repacked for the kernel. Immutable after construction: shared by threads.
class Convolution {
public:
    template <class Weight>
    Convolution(const std::vector<Weight>& weights, int out_channels, const Shape& in, const Window& window)
        : Convolution(out_channels, in, window) {
        for (std::size_t o = 0, index = 0; o < static_cast<std::size_t>(out_channels); ++o)
            for (std::size_t k = 0; k < depth_; ++k, ++index) at(o, k) = static_cast<double>(weights.at(index));
    }

    /// out[o][y][x] += convolution of in; `out` has out_channels maps of the window's output extents.
    void add_to(std::span<const double> in, std::span<double> out) const;

private:
    Convolution(int out_channels, const Shape& in, const Window& window);
    double& at(std::size_t out, std::size_t k);

    int out_channels_;
    Shape in_;
    Window window_;
    std::size_t depth_;           // in.channels * kernel_h * kernel_w
    std::vector<double> packed_;  // [block of kTileRows outputs][k][kTileRows]
};

}  // namespace flash::model
