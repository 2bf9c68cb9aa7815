#include "compiler/margin.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "compiler/tail.h"
#include "compiler/term_walk.h"

namespace flash::compiler {
namespace {

constexpr std::int64_t kTailImages = 100;
constexpr double kAssumedMargin = 2, kLeastMargin = 1.25, kMostMargin = 8;
constexpr double kBiasRoom =
    0.6;  // a bias alone must fit T/2, that is twice the range, whatever the terms take away from it
constexpr double kLeastScale = 1e-3;  // of a channel, beside its layer's largest value

/// The range that a channel would have if it reached as far, in units of its spread, as the channel of its layer that
/// reaches furthest; at most the layer's. The spread follows from the weights and from how much their operands vary: a
/// channel that is small because of its weights is small on all images, so its own range will do.
std::vector<double> natural_ranges(const Network& network, const Calibration& calibration, std::size_t layer,
                                   const std::vector<double>& seen) {
    const double most = *std::ranges::max_element(seen), largest = most > 0 ? most : 1;
    std::vector<double> spread(seen.size(), 0.0), result(seen.size(), largest);
    if (!network.layers[layer].activation) return result;  // the outputs share one scale
    for (const FloatTerm& term : network.layers[layer].terms) {
        const std::vector<ChannelStatistics>& source =
            term.source == 0 ? calibration.input : calibration.layers[static_cast<std::size_t>(term.source - 1)];
        const double pixels = term.pool ? term.pool->kernel_h * term.pool->kernel_w : 1;  // whose sum is one operand
        for_each_weight(term, seen.size(), [&](std::size_t o, std::size_t c, std::size_t k) {
            const double weight = pixels * term.weights[k];
            spread[o] += weight * weight * (source[c].variance + source[c].common);
        });
    }
    double reach = 0;
    for (std::size_t c = 0; c < seen.size(); ++c) {
        spread[c] = std::sqrt(spread[c]);
        if (spread[c] > 0) reach = std::max(reach, seen[c] / spread[c]);
    }
    for (std::size_t c = 0; c < seen.size(); ++c) {
        const double range = reach * spread[c];  // not finite where a spread is next to nothing beside its bias
        if (range > 0 && range < largest) result[c] = range;
    }
    return result;
}

}  // namespace

void LayerRange::widen(double factor) {
    if (periodic) return;
    for (double& range : channels) range *= factor;
    margin *= factor;
}

std::vector<LayerRange> choose_ranges(const Network& network, const Calibration& calibration,
                                      const MarginOptions& options) {
    std::vector<LayerRange> result;
    const auto ranged = std::ranges::count_if(network.layers, [](const FloatLayer& layer) { return !layer.sine(); });
    for (std::size_t l = 0; l < network.layers.size(); ++l) {
        if (const Sine* sine = network.layers[l].sine()) {
            LayerRange& range = result.emplace_back();
            for (std::size_t c = 0; c < sine->channels(); ++c) range.channels.push_back(period(*sine, c) / 4);
            range.margin = 1;
            range.periodic = true;
            continue;
        }
        const std::vector<ChannelStatistics>& seen = calibration.layers[l];
        const std::size_t channels = seen.size();
        const double largest = calibration.largest(l);
        std::vector<double> peaks;
        peaks.reserve(channels);
        for (const ChannelStatistics& channel : seen) peaks.push_back(channel.largest);
        const double floor = network.layers[l].activation ? options.channel_floor : 1;
        LayerRange range;
        range.source = options.margin > 0                 ? MarginSource::kGiven
                       : calibration.images < kTailImages ? MarginSource::kAssumed
                                                          : MarginSource::kMeasured;
        if (range.source == MarginSource::kMeasured && largest > 0) {
            std::vector<double> scale = quantiles(calibration.maxima[l], channels);
            const std::vector<double> natural = natural_ranges(network, calibration, l, scale),
                                      whole = natural_ranges(network, calibration, l, peaks);
            for (std::size_t c = 0; c < channels; ++c)
                scale[c] = std::max({scale[c], floor * natural[c], kLeastScale * whole[c]});
            const Tail tail =
                fit_tail(reaches(calibration.maxima[l], scale), options.overflow_rate / static_cast<double>(ranged));
            range.tail = tail.gamma;
            for (std::size_t c = 0; c < channels; ++c)
                range.channels.push_back(std::clamp(tail.quantile * scale[c], kLeastMargin * seen[c].largest,
                                                    kMostMargin * std::max(seen[c].largest, scale[c])));
            if (!network.layers[l].activation)
                std::ranges::fill(range.channels, *std::ranges::max_element(range.channels));
        } else {
            const double margin = range.source == MarginSource::kGiven ? options.margin : kAssumedMargin;
            const std::vector<double> whole = natural_ranges(network, calibration, l, peaks);
            for (std::size_t c = 0; c < channels; ++c)
                range.channels.push_back(margin * std::max({peaks[c], floor * whole[c], kLeastScale * whole[c]}));
        }
        double largest_bias = 0;
        for (double bias : network.layers[l].bias) largest_bias = std::max(largest_bias, std::abs(bias));
        for (std::size_t c = 0; c < channels; ++c)
            range.channels[c] = std::max(
                range.channels[c],
                kBiasRoom * (network.layers[l].activation ? std::abs(network.layers[l].bias[c]) : largest_bias));
        range.margin = kMostMargin;
        for (std::size_t c = 0; c < channels; ++c)
            if (seen[c].largest > 0) range.margin = std::min(range.margin, range.channels[c] / seen[c].largest);
        result.push_back(std::move(range));
    }
    return result;
}

std::vector<std::size_t> furthest_images(const Calibration& calibration, const std::vector<LayerRange>& ranges) {
    std::vector<double> furthest(static_cast<std::size_t>(calibration.images), 0.0);
    for (std::size_t l = 0; l < ranges.size(); ++l) {
        if (ranges[l].periodic) continue;
        const std::vector<double> reach = reaches(calibration.maxima[l], ranges[l].channels);
        for (std::size_t i = 0; i < reach.size(); ++i) furthest[i] = std::max(furthest[i], reach[i]);
    }
    std::vector<std::size_t> order(furthest.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, [&](std::size_t i, std::size_t j) { return furthest[i] > furthest[j]; });
    return order;
}

}  // namespace flash::compiler
