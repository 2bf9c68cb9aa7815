// Ranges of the float network's pre-activations on calibration images.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "compiler/network.h"

namespace flash::compiler {

struct Ranges {
    std::vector<std::vector<double>> channels;  ///< [layer][output channel]: largest |x|
    double input = 0;                           ///< largest |pixel|
    double layer(std::size_t index) const;      ///< largest |x| of a layer
};

/// Runs the images on all cores. progress: fraction in 0..1, from any thread. Error(kInvalidArgument): no image, an image of
/// the wrong size, or one that drives the network to values that are not finite.
Ranges calibrate(const Network& network, std::span<const std::vector<float>> images, const std::function<void(double)>& progress);

}  // namespace flash::compiler
