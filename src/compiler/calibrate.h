// Ranges of the float network's pre-activations on calibration images.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "compiler/network.h"

namespace flash::compiler {

struct Ranges {
    std::vector<std::vector<double>> channels;  ///< [layer][output channel]: largest |x|
    std::vector<std::vector<double>> images;    ///< [layer][image]: largest |x| of the layer on that image
    std::vector<std::vector<double>> means;     ///< [value][channel]: mean over images and positions; value 0 is the input
    double input = 0;                           ///< largest |pixel|
    double layer(std::size_t index) const;      ///< largest |x| of a layer

    /// How far beyond the largest |x| seen, as a factor >= 1, an image of probability `rate` reaches: from a Gumbel distribution
    /// fitted to the logarithms of the images' maxima. Polynomial networks have heavy tails, which a fixed margin misses.
    /// 1 with fewer than 100 images; at most 8.
    double tail(std::size_t index, double rate) const;
};

/// Runs the images on all cores. progress: fraction in 0..1, from any thread. Error(kInvalidArgument): no image, an image of
/// the wrong size, or one that drives the network to values that are not finite.
Ranges calibrate(const Network& network, std::span<const std::vector<float>> images, const std::function<void(double)>& progress);

}  // namespace flash::compiler
