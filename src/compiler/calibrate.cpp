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

constexpr std::size_t kTailImages = 100;
constexpr double kMaxTail = 8;

}  // namespace

double Ranges::layer(std::size_t index) const { return *std::ranges::max_element(channels.at(index)); }

double Ranges::tail(std::size_t index, double rate) const {
    std::vector<double> maxima = images.at(index);
    std::ranges::sort(maxima);
    const auto at = [&](double p) { return maxima[static_cast<std::size_t>(p * static_cast<double>(maxima.size() - 1))]; };
    if (maxima.size() < kTailImages || rate <= 0 || !(at(0.5) > 0)) return 1;
    // Gumbel quantiles are location + beta * g(p): two empirical quantiles of the logarithms fix both. Only the upper half of
    // the images says anything about the tail.
    const auto g = [](double p) { return -std::log(-std::log(p)); };
    const double beta = std::log(at(0.95) / at(0.5)) / (g(0.95) - g(0.5));
    const double quantile = std::log(at(0.5)) + beta * (-std::log(-std::log1p(-rate)) - g(0.5));
    return std::clamp(std::exp(quantile) / maxima.back(), 1.0, kMaxTail);
}

Ranges calibrate(const Network& network, std::span<const std::vector<float>> images, const std::function<void(double)>& progress) {
    require(!images.empty(), ErrorKind::kInvalidArgument, "no calibration images were given");
    for (std::size_t i = 0; i < images.size(); ++i) {
        if (static_cast<std::int64_t>(images[i].size()) != network.input.size())
            throw Error(ErrorKind::kInvalidArgument,
                        fmt::format("calibration image {} has {} values; the network wants {}", i, images[i].size(), network.input.size()));
        for (float pixel : images[i])
            if (!std::isfinite(pixel)) throw Error(ErrorKind::kInvalidArgument, fmt::format("calibration image {} holds a value that is not finite", i));
    }
    Ranges zero;
    zero.means.emplace_back(static_cast<std::size_t>(network.input.channels), 0.0);
    for (const FloatLayer& layer : network.layers) {
        zero.channels.emplace_back(static_cast<std::size_t>(layer.output.channels), 0.0);
        zero.means.emplace_back(static_cast<std::size_t>(layer.output.channels), 0.0);
    }
    std::vector<std::vector<double>> maxima(network.layers.size(), std::vector<double>(images.size()));
    tbb::enumerable_thread_specific<Ranges> partial(zero);
    std::atomic<std::size_t> done{0};
    tbb::parallel_for(std::size_t{0}, images.size(), [&](std::size_t i) {
        Ranges& ranges = partial.local();
        const std::size_t pixels = images[i].size() / ranges.means[0].size();
        for (std::size_t k = 0; k < images[i].size(); ++k) {
            const auto pixel = static_cast<double>(images[i][k]);
            ranges.input = std::max(ranges.input, std::abs(pixel));
            ranges.means[0][k / pixels] += pixel / static_cast<double>(pixels * images.size());
        }
        network.evaluate(images[i], [&](std::size_t layer, const std::vector<double>& x) {
            std::vector<double>& channels = ranges.channels[layer];
            const std::size_t plane = x.size() / channels.size();
            const Quadratic* activation = network.layers[layer].activation ? &*network.layers[layer].activation : nullptr;
            double largest = 0;
            for (std::size_t c = 0; c < channels.size(); ++c) {
                double channel = 0, sum = 0;
                for (std::size_t p = c * plane; p < (c + 1) * plane; ++p) {
                    if (!std::isfinite(x[p]))
                        throw Error(ErrorKind::kInvalidArgument, fmt::format("on calibration image {} the float network diverges in layer {} ({}): its values are "
                                                                             "not finite. Check the image normalisation and the training",
                                                                             i, layer, network.layers[layer].name));
                    channel = std::max(channel, std::abs(x[p]));
                    if (activation) sum += (activation->a[c] * x[p] + activation->b[c]) * x[p] + activation->c[c];
                }
                ranges.means[layer + 1][c] += sum / static_cast<double>(plane * images.size());
                channels[c] = std::max(channels[c], channel);
                largest = std::max(largest, channel);
            }
            maxima[layer][i] = largest;
        });
        const std::size_t count = ++done;
        if (progress) progress(static_cast<double>(count) / static_cast<double>(images.size()));
    });
    Ranges all = zero;
    all.images = std::move(maxima);
    for (const Ranges& ranges : partial) {
        all.input = std::max(all.input, ranges.input);
        for (std::size_t value = 0; value < all.means.size(); ++value)
            for (std::size_t c = 0; c < all.means[value].size(); ++c) all.means[value][c] += ranges.means[value][c];
        for (std::size_t layer = 0; layer < all.channels.size(); ++layer)
            for (std::size_t c = 0; c < all.channels[layer].size(); ++c)
                all.channels[layer][c] = std::max(all.channels[layer][c], ranges.channels[layer][c]);
    }
    return all;
}

}  // namespace flash::compiler
