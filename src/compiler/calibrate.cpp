#include "compiler/calibrate.h"

#include <fmt/format.h>
#include <tbb/enumerable_thread_specific.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "base/error.h"

namespace flash::compiler {
namespace {

/// Sums over images of means over positions.
struct Sums {
    double largest = 0, power = 0, y = 0, y2 = 0, mean2 = 0;
    void add(const Sums& other) {
        largest = std::max(largest, other.largest);
        power += other.power;
        y += other.y;
        y2 += other.y2;
        mean2 += other.mean2;
    }
    ChannelStatistics mean_of(double images) const {
        const double mean = y / images;
        return {largest, power / images, mean, std::max(0.0, (y2 - mean2) / images), std::max(0.0, mean2 / images - mean * mean)};
    }
};

using ChannelSums = std::vector<Sums>;

Sums sums_of(const double* x, std::size_t count, double a, double b, double c) {
    Sums sums;
    for (std::size_t p = 0; p < count; ++p) {
        const double y = (a * x[p] + b) * x[p] + c;
        sums.largest = std::max(sums.largest, std::abs(x[p]));
        sums.power += x[p] * x[p];
        sums.y += y;
        sums.y2 += y * y;
    }
    for (double* sum : {&sums.power, &sums.y, &sums.y2}) *sum /= static_cast<double>(count);
    sums.mean2 = sums.y * sums.y;
    return sums;
}

void check_images(const Network& network, std::span<const std::vector<float>> images) {
    require(!images.empty(), ErrorKind::kInvalidArgument, "no calibration images were given");
    for (std::size_t i = 0; i < images.size(); ++i) {
        if (static_cast<std::int64_t>(images[i].size()) != network.input.size())
            throw Error(ErrorKind::kInvalidArgument,
                        fmt::format("calibration image {} has {} values; the network wants {}", i, images[i].size(), network.input.size()));
        for (float pixel : images[i])
            if (!std::isfinite(pixel)) throw Error(ErrorKind::kInvalidArgument, fmt::format("calibration image {} holds a value that is not finite", i));
    }
}

}  // namespace

double Calibration::largest_input() const {
    double result = 0;
    for (const ChannelStatistics& channel : input) result = std::max(result, channel.largest);
    return result;
}

double Calibration::largest(std::size_t layer) const {
    double result = 0;
    for (const ChannelStatistics& channel : layers.at(layer)) result = std::max(result, channel.largest);
    return result;
}

double Calibration::logit_power() const {
    double power = 0;
    for (const std::vector<double>& image : logits) {
        double mean = 0;
        for (double logit : image) mean += image.size() > 1 ? logit / static_cast<double>(image.size()) : 0;
        for (double logit : image) power += (logit - mean) * (logit - mean) / static_cast<double>(images);
    }
    return power;
}

Calibration calibrate(const Network& network, std::span<const std::vector<float>> images, const std::function<void(double)>& progress) {
    check_images(network, images);
    Calibration result;
    result.images = static_cast<std::int64_t>(images.size());
    result.logits.resize(images.size());
    std::vector<ChannelSums> zero{ChannelSums(static_cast<std::size_t>(network.input.channels))};  // [value][channel]
    for (const FloatLayer& layer : network.layers) {
        zero.emplace_back(static_cast<std::size_t>(layer.output.channels));
        result.maxima.emplace_back(images.size() * zero.back().size());
    }
    tbb::enumerable_thread_specific<std::vector<ChannelSums>> partial(zero);
    std::atomic<std::size_t> done{0};
    tbb::parallel_for(std::size_t{0}, images.size(), [&](std::size_t i) {
        std::vector<ChannelSums>& sums = partial.local();
        const std::vector<double> pixels(images[i].begin(), images[i].end());
        const auto add = [&](std::size_t value, const std::vector<double>& x, const Quadratic* activation) {
            const std::size_t channels = sums[value].size(), plane = x.size() / channels;
            for (std::size_t c = 0; c < channels; ++c) {
                const Sums own = activation ? sums_of(&x[c * plane], plane, activation->a[c], activation->b[c], activation->c[c])
                                            : sums_of(&x[c * plane], plane, 0, 1, 0);
                // Sums of squares show what is not finite; a maximum does not.
                if (value > 0 && !(std::isfinite(own.power) && std::isfinite(own.y2)))
                    throw Error(ErrorKind::kInvalidArgument, fmt::format("on calibration image {} the float network diverges in layer {} ({}): its values are "
                                                                         "not finite. Check the image normalisation and the training",
                                                                         i, value - 1, network.layers[value - 1].name));
                sums[value][c].add(own);
                if (value > 0) result.maxima[value - 1][i * channels + c] = static_cast<float>(own.largest);
            }
        };
        add(0, pixels, nullptr);
        result.logits[i] = network.evaluate(images[i], [&](std::size_t layer, const std::vector<double>& x) {
            const std::optional<Quadratic>& activation = network.layers[layer].activation;
            add(layer + 1, x, activation ? &*activation : nullptr);
        });
        const std::size_t count = ++done;
        if (progress) progress(static_cast<double>(count) / static_cast<double>(images.size()));
    });
    for (std::size_t value = 0; value < zero.size(); ++value) {
        std::vector<ChannelStatistics> channels;
        for (std::size_t c = 0; c < zero[value].size(); ++c) {
            Sums sum;
            for (const std::vector<ChannelSums>& sums : partial) sum.add(sums[value][c]);
            channels.push_back(sum.mean_of(static_cast<double>(images.size())));
        }
        if (value == 0) result.input = std::move(channels);
        else result.layers.push_back(std::move(channels));
    }
    return result;
}

}  // namespace flash::compiler
