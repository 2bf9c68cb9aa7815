// A result layer as a person reads it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/twin.h"

namespace flash::app {

struct RankedClass {
    int index = 0;
    std::string name;  ///< the class name, or "class N" where the model names none
    double logit = 0;
    double probability = 0;  ///< softmax over all logits
};

/// The `top` largest logits, best first; ties by index.
std::vector<RankedClass> rank_classes(std::span<const float> logits, const std::vector<std::string>& names, int top);

/// Index of the largest logit; the first of equals.
int best_class(std::span<const float> logits);

/// How far a private run's logits may lie from the twin's (`logits`, rounding to the nearest): six sigma of what random
/// rounding alone does to this input in the twin, and one unit of the result layer (output_scale), which is always
/// possible.
inline constexpr double kLogitBoundSigmas = 6;
double logit_bound(const model::Twin& twin, std::span<const std::int32_t> input, std::span<const float> logits,
                   double output_scale);

}  // namespace flash::app
