#include "compiler/calibrate.h"

#include <fmt/format.h>
#include <tbb/enumerable_thread_specific.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>

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
        return {largest, power / images, mean, std::max(0.0, (y2 - mean2) / images),
                std::max(0.0, mean2 / images - mean * mean)};
    }
};

constexpr std::size_t kSamples = 128;
constexpr double kMostLogit = 1e37;  // with room for the margin and for what clients compute from logits

/// A place of a map, the same for all channels, anywhere.
std::size_t random_place(std::size_t value, std::size_t sample, std::size_t places) {
    std::uint64_t x = (value + 1) * 0x9e3779b97f4a7c15u + (sample + 1) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 30)) * 0x94d049bb133111ebu;
    return (x ^ (x >> 31)) % places;
}

/// Mean of y over a place and its neighbours.
template <class F>
float neighbourhood(const double* x, const model::Shape& shape, std::size_t place, const F& y_of) {
    const int row = static_cast<int>(place) / shape.width, column = static_cast<int>(place) % shape.width;
    double sum = 0, count = 0;
    for (int y = std::max(row - 1, 0); y <= std::min(row + 1, shape.height - 1); ++y)
        for (int z = std::max(column - 1, 0); z <= std::min(column + 1, shape.width - 1); ++z, ++count) {
            const double value =
                x[static_cast<std::size_t>(y) * static_cast<std::size_t>(shape.width) + static_cast<std::size_t>(z)];
            sum += y_of(value);
        }
    return static_cast<float>(sum / count);
}

using ChannelSums = std::vector<Sums>;

template <class F>
Sums sums_of(const double* x, std::size_t count, const F& y_of) {
    Sums sums;
    for (std::size_t p = 0; p < count; ++p) {
        const double y = y_of(x[p]);
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
                        fmt::format("calibration image {} has {} values; the network wants {}", i, images[i].size(),
                                    network.input.size()));
        for (float pixel : images[i])
            if (!std::isfinite(pixel))
                throw Error(ErrorKind::kInvalidArgument,
                            fmt::format("calibration image {} holds a value that is not finite", i));
    }
}

}  // namespace

void Samples::centre() {
    const std::size_t channels = count_ > 0 ? values_.size() / count_ : 0;
    for (std::size_t c = 0; c < channels; ++c) {
        float mean = 0, power = 0;
        for (float value : of(c)) mean += value / static_cast<float>(count_);
        for (float& value : of(c)) {
            value -= mean;
            power += value * value;
        }
        inverse_.push_back(power > std::numeric_limits<float>::min() ? 1 / power : 0);
    }
}

Samples Samples::half(std::size_t first) const {
    Samples result(inverse_.size(), (count_ - first + 1) / 2);
    for (std::size_t c = 0; c < inverse_.size(); ++c)
        for (std::size_t n = 0; n < result.count_; ++n) result.of(c)[n] = of(c)[2 * n + first];
    result.centre();
    return result;
}

double Samples::feedback(std::size_t channel, std::span<const float> left) const {
    constexpr std::size_t kLanes = 8;  // sums that do not wait for each other
    const std::span<const float> values = of(channel);
    std::array<float, kLanes> sums{};
    std::size_t n = 0;
    for (; n + kLanes <= values.size(); n += kLanes)
        for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += values[n + lane] * left[n + lane];
    for (; n < values.size(); ++n) sums[0] += values[n] * left[n];
    return static_cast<double>(std::accumulate(sums.begin(), sums.end(), 0.0F) * inverse_[channel]);
}

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

Calibration calibrate(const Network& network, std::span<const std::vector<float>> images,
                      const std::function<void(double)>& progress, std::vector<std::optional<Error>>* failures) {
    check_images(network, images);
    Calibration result;
    result.images = static_cast<std::int64_t>(images.size());
    result.logits.resize(images.size());
    std::vector<ChannelSums> zero{ChannelSums(static_cast<std::size_t>(network.input.channels))};  // [value][channel]
    for (const FloatLayer& layer : network.layers) {
        zero.emplace_back(static_cast<std::size_t>(layer.output.channels));
        result.maxima.emplace_back(images.size() * zero.back().size());
    }
    for (const ChannelSums& channels : zero) result.samples.emplace_back(channels.size(), kSamples);
    const auto first_sample = [&](std::size_t image) {
        return (image * kSamples + images.size() - 1) / images.size();
    };  // of an image: they are spread evenly
    tbb::enumerable_thread_specific<std::vector<ChannelSums>> partial(zero);
    std::atomic<std::size_t> done{0};
    const auto run = [&](std::size_t i) {
        std::vector<ChannelSums>& sums = partial.local();
        const std::vector<double> pixels(images[i].begin(), images[i].end());
        const auto add = [&](std::size_t value, const std::vector<double>& x, const auto& curve) {
            const std::size_t channels = sums[value].size(), plane = x.size() / channels;
            const model::Shape& shape = network.value_shape(static_cast<int>(value));
            for (std::size_t c = 0; c < channels; ++c) {
                const auto y_of = [&](double of) { return curve(c, of); };
                const Sums own = sums_of(&x[c * plane], plane, y_of);
                // Sums of squares show what is not finite; a maximum does not.
                if (value > 0 && !(std::isfinite(own.power) && std::isfinite(own.y2)))
                    throw Error(
                        ErrorKind::kRange,
                        fmt::format(
                            "on calibration image {} the float network diverges in layer {} ({}): its values are "
                            "not finite. Check the image normalisation and the training",
                            i, value - 1, network.layers[value - 1].name));
                sums[value][c].add(own);
                if (value > 0) result.maxima[value - 1][i * channels + c] = static_cast<float>(own.largest);
                for (std::size_t n = first_sample(i); n < first_sample(i + 1); ++n)
                    result.samples[value].of(c)[n] =
                        neighbourhood(&x[c * plane], shape, random_place(value, n, plane), y_of);
            }
        };
        const auto itself = [](std::size_t, double x) { return x; };
        add(0, pixels, itself);
        result.logits[i] = network.evaluate(images[i], [&](std::size_t layer, const std::vector<double>& x) {
            const std::optional<Curve>& activation = network.layers[layer].activation;
            if (!activation) return add(layer + 1, x, itself);
            std::visit(
                [&](const auto& curve) {
                    add(layer + 1, x, [&](std::size_t c, double of) { return value_at(curve, c, of); });
                },
                *activation);
        });
        for (double logit : result.logits[i])
            if (!(std::abs(logit) < kMostLogit))
                throw Error(ErrorKind::kRange,
                            fmt::format("on calibration image {} a result of the network is beyond {:.0e}, too large "
                                        "for the 32-bit floats that the client gets. Check the image normalisation "
                                        "and the training",
                                        i, kMostLogit));
    };
    tbb::parallel_for(std::size_t{0}, images.size(), [&](std::size_t i) {
        try {
            run(i);
        } catch (const Error& error) {
            if (failures == nullptr || error.kind() != ErrorKind::kRange) throw;
            (*failures)[i].emplace(error);
        }
        const std::size_t count = ++done;
        if (progress) progress(static_cast<double>(count) / static_cast<double>(images.size()));
    });
    for (Samples& samples : result.samples) samples.centre();
    for (std::size_t value = 0; value < zero.size(); ++value) {
        std::vector<ChannelStatistics> channels;
        for (std::size_t c = 0; c < zero[value].size(); ++c) {
            Sums sum;
            for (const std::vector<ChannelSums>& sums : partial) sum.add(sums[value][c]);
            channels.push_back(sum.mean_of(static_cast<double>(images.size())));
        }
        if (value == 0)
            result.input = std::move(channels);
        else
            result.layers.push_back(std::move(channels));
    }
    return result;
}

}  // namespace flash::compiler
