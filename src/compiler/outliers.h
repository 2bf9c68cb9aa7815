// Calibration that single pictures cannot ruin. On a picture unlike all others (a logo, a checkerboard, an array that
// is not normalised) values may reach a thousand times as far as on the rest: `x^2 + x` grows from layer to layer.
// Ranges that held it would leave no bits for the others. Such pictures, a few in a hundred at most, are left out and
// named: the compiled network answers pictures like them wrongly.
#pragma once

#include <string>
#include <vector>

#include "compiler/calibrate.h"

namespace flash::compiler {

struct Outlier {
    std::size_t image = 0;  ///< of those given
    double reach = 0;       ///< how far in some layer, relative to what 98% of the images stay below; 0: it diverges
};

/// In a sentence; name: of the picture.
std::string describe(const Outlier& outlier, const std::string& name);

struct SoundCalibration {
    Calibration calibration;        ///< of the images that are kept
    std::vector<std::size_t> kept;  ///< ascending
    std::vector<Outlier> outliers;  ///< ascending
};

/// As calibrate(), without images that reach more than twice as far in some layer as the tail of the others lets expect
/// of any of them, or on which the float network diverges: at most kMostOutliers of all. Where more are so, they are no
/// outliers: all are kept, and diverging ones are an Error.
SoundCalibration calibrate_soundly(const Network& network, std::span<const std::vector<float>> images,
                                   const std::function<void(double)>& progress);
inline constexpr double kMostOutliers = 0.02;

}  // namespace flash::compiler
