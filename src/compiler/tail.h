// How far images reach in a layer, and how far others like them may: extreme values of one layer.
#pragma once

#include <vector>

namespace flash::compiler {

/// The largest |x| of every channel that all but 2% of the images stay below. maxima: [image * channels + channel].
std::vector<double> quantiles(const std::vector<float>& maxima, std::size_t channels);

/// How far every image reaches: the largest over the channels of |x| / scale.
std::vector<double> reaches(const std::vector<float>& maxima, const std::vector<double>& scale);

struct Tail {
    double gamma = 0, quantile = 0;
};

/// Fits a power law to the tenth of the images that reach furthest. rate: of images beyond the quantile.
Tail fit_tail(std::vector<double> reach, double rate);

}  // namespace flash::compiler
