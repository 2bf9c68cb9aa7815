#include "compiler/tail.h"

#include <algorithm>
#include <cmath>

namespace flash::compiler {
namespace {

constexpr double kChannelQuantile = 0.98;
constexpr double kLeastThreshold = 1e-3;  // beside the furthest image
constexpr double kTailShare = 0.1;        // of the images, from which the tail is fitted
constexpr double kConfidence = 1.645;     // standard errors

}  // namespace

std::vector<double> quantiles(const std::vector<float>& maxima, std::size_t channels) {
    const std::size_t images = maxima.size() / channels;
    const auto at = static_cast<std::size_t>(kChannelQuantile * static_cast<double>(images - 1));
    std::vector<double> result;
    std::vector<float> channel(images);
    for (std::size_t c = 0; c < channels; ++c) {
        for (std::size_t i = 0; i < images; ++i) channel[i] = maxima[i * channels + c];
        std::ranges::nth_element(channel, channel.begin() + static_cast<std::ptrdiff_t>(at));
        result.push_back(static_cast<double>(channel[at]));
    }
    return result;
}

std::vector<double> reaches(const std::vector<float>& maxima, const std::vector<double>& scale) {
    const std::size_t channels = scale.size(), images = maxima.size() / channels;
    std::vector<double> result(images, 0.0);
    for (std::size_t i = 0; i < images; ++i)
        for (std::size_t c = 0; c < channels; ++c)
            result[i] = std::max(result[i], static_cast<double>(maxima[i * channels + c]) / scale[c]);
    return result;
}

Tail fit_tail(std::vector<double> reach, double rate) {
    std::ranges::sort(reach);
    const auto count =
        std::max<std::size_t>(10, static_cast<std::size_t>(kTailShare * static_cast<double>(reach.size())));
    const std::size_t first = reach.size() - count;
    const double threshold = std::max(reach[first - 1], kLeastThreshold * reach.back());
    double gamma = 0;
    for (std::size_t i = first; i < reach.size(); ++i)
        gamma += std::log(std::max(reach[i] / threshold, 1.0)) / static_cast<double>(count);
    gamma *= 1 + kConfidence / std::sqrt(static_cast<double>(count));
    const double share = static_cast<double>(count) / static_cast<double>(reach.size());
    return {gamma, threshold * std::pow(std::max(1.0, share / rate), gamma)};
}

}  // namespace flash::compiler
