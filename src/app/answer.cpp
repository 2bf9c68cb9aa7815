#include "app/answer.h"

#include <tbb/parallel_for.h>

#include <array>
#include <cmath>
#include <vector>

namespace flash::app {

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
