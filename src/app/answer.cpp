#include "app/answer.h"

#include <tbb/parallel_for.h>

#include <array>
#include <cmath>
#include <vector>

namespace flash::app {

std::vector<RankedClass> rank_classes(std::span<const float> logits, const std::vector<std::string>& names, int top) {
    std::vector<int> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
        return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
    });
    double sum = 0;
    const double largest = logits.empty() ? 0 : logits[static_cast<std::size_t>(order[0])];
    // Of infinite logits, which cannot be subtracted, all that are largest count alike.
    const auto weight = [&](double v) { return v == largest ? 1.0 : std::exp(v - largest); };
    for (float v : logits) sum += weight(v);
    std::vector<RankedClass> ranked;
    for (std::size_t i = 0; i < order.size() && i < static_cast<std::size_t>(std::max(top, 0)); ++i) {
        const auto index = static_cast<std::size_t>(order[i]);
        ranked.push_back({order[i], index < names.size() ? names[index] : "class " + std::to_string(index),
                          logits[index], weight(logits[index]) / sum});
    }
    return ranked;
}

double logit_bound(const model::Twin& twin, std::span<const std::int32_t> input, std::span<const float> logits,
                   double output_scale) {
    constexpr std::size_t kTwins = 8;
    std::array<std::vector<float>, kTwins> others;
    tbb::parallel_for(std::size_t{0}, kTwins, [&](std::size_t t) {
        others[t] = twin.run(input, {model::Rounding::Mode::kStochastic, t + 1}).logits;
    });
    // Some logits are noisier than others: the bound is that of the noisiest.
    double largest = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
        double sum = 0;
        for (const std::vector<float>& other : others)
            sum += std::pow(static_cast<double>(other[i]) - static_cast<double>(logits[i]), 2);
        largest = std::max(largest, sum / kTwins);
    }
    return kLogitBoundSigmas * std::sqrt(largest) + output_scale;
}

}  // namespace flash::app
