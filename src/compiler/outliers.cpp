#include "compiler/outliers.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.h"
#include "compiler/tail.h"

namespace flash::compiler {
namespace {

constexpr double kFar = 2;            // times what is expected
constexpr double kUnexpected = 0.02;  // chance that one of the images reaches beyond what is expected
constexpr double kLeastScale = 0.5;  // of a channel, beside its layer's largest: a channel that is nearly always silent
                                     // makes no outliers

/// Of some images, those that reach too far in one layer, with how far; at most `most`.
std::map<std::size_t, double> far_images(const std::vector<float>& maxima, const std::vector<std::size_t>& images,
                                         std::size_t channels, std::size_t most) {
    std::vector<float> own;
    own.reserve(images.size() * channels);
    for (const std::size_t i : images)
        own.insert(own.end(), maxima.begin() + static_cast<std::ptrdiff_t>(i * channels),
                   maxima.begin() + static_cast<std::ptrdiff_t>((i + 1) * channels));
    std::vector<double> scale = quantiles(own, channels);
    const double largest = *std::ranges::max_element(scale);
    if (!(largest > 0)) return {};
    for (double& s : scale) s = std::max(s, kLeastScale * largest);
    const std::vector<double> reach = reaches(own, scale);
    std::vector<std::size_t> order(images.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return reach[a] > reach[b]; });
    // As many as all lie beyond what the rest lets expect: one hides behind another if they are taken one by one.
    for (std::size_t count = most; count > 0; --count) {
        std::vector<double> rest;
        rest.reserve(order.size() - count);
        for (std::size_t k = count; k < order.size(); ++k) rest.push_back(reach[order[k]]);
        const double limit = kFar * fit_tail(rest, kUnexpected / static_cast<double>(images.size())).quantile;
        if (!(reach[order[count - 1]] > limit)) continue;
        std::map<std::size_t, double> found;
        for (std::size_t k = 0; k < count; ++k) found[images[order[k]]] = reach[order[k]];
        return found;
    }
    return {};
}

}  // namespace

std::string describe(const Outlier& outlier, const std::string& name) {
    const std::string why = outlier.reach > 0
                                ? fmt::format("values on it reach {:.3g} times as far as on most others", outlier.reach)
                                : std::string("the float network diverges on it");
    return fmt::format("calibration picture {} is left out: {}. The model answers pictures like it wrongly", name, why);
}

SoundCalibration calibrate_soundly(const Network& network, std::span<const std::vector<float>> images,
                                   const std::function<void(double)>& progress) {
    const auto most = static_cast<std::size_t>(kMostOutliers * static_cast<double>(images.size()));
    std::vector<std::optional<Error>> failures(images.size());
    SoundCalibration result;
    result.calibration = calibrate(network, images, progress, &failures);
    std::map<std::size_t, double> outliers;
    std::vector<std::size_t> finite;
    for (std::size_t i = 0; i < images.size(); ++i) {
        if (failures[i])
            outliers[i] = 0;
        else
            finite.push_back(i);
    }
    if (outliers.size() > most) throw Error(*failures[outliers.begin()->first]);
    const std::map<std::size_t, double> diverging = outliers;
    for (std::size_t l = 0; l < network.layers.size(); ++l) {
        if (network.layers[l].sine()) continue;  // values that go far wrap around, and nothing is lost
        for (const auto& [image, reach] :
             far_images(result.calibration.maxima[l], finite,
                        static_cast<std::size_t>(network.layers[l].output.channels), most - diverging.size()))
            outliers[image] = std::max(outliers[image], reach);
    }
    if (outliers.size() > most) outliers = diverging;
    for (const auto& [image, reach] : outliers) result.outliers.push_back({image, reach});
    for (std::size_t i = 0; i < images.size(); ++i)
        if (!outliers.contains(i)) result.kept.push_back(i);
    if (!outliers.empty()) {
        std::vector<std::vector<float>> kept;
        kept.reserve(result.kept.size());
        for (const std::size_t i : result.kept) kept.push_back(images[i]);
        result.calibration = calibrate(network, kept, progress);
    }
    return result;
}

}  // namespace flash::compiler
