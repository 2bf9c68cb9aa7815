#include "model/ranking.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/arithmetic.h"

namespace flash::model {

std::vector<RankedClass> rank_classes(std::span<const float> logits, const std::vector<std::string>& names,
                                      std::size_t top) {
    std::vector<int> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return logits[a] > logits[b]; });
    double sum = 0;
    const double largest = logits.empty() ? 0 : logits[static_cast<std::size_t>(order[0])];
    // Of infinite logits, which cannot be subtracted, all that are largest count alike.
    const auto weight = [&](double v) { return v == largest ? 1.0 : std::exp(v - largest); };
    for (float v : logits) sum += weight(v);
    std::vector<RankedClass> ranked;
    for (std::size_t i = 0; i < std::min(order.size(), top); ++i) {
        const auto index = static_cast<std::size_t>(order[i]);
        ranked.push_back({order[i], index < names.size() ? names[index] : "class " + std::to_string(index),
                          logits[index], weight(logits[index]) / sum});
    }
    return ranked;
}

int best_class(std::span<const float> logits) {
    return static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

std::string doubt(const Architecture& architecture, std::span<const std::int32_t> x, std::span<const float> logits) {
    const std::int64_t limit = share_limit(architecture.layers.back().share_bits);
    for (const float logit : logits)
        if (!std::isfinite(logit)) return "a logit is beyond what a float holds";
    for (const std::int64_t value : x)
        if (std::abs(value) > limit)
            return fmt::format("a logit is beyond the calibrated range of {:.4g}",
                               architecture.output_scale * static_cast<double>(limit));
    return {};
}

}  // namespace flash::model
