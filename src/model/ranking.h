// The result layer as a person reads it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/architecture.h"

namespace flash::model {

struct RankedClass {
    int index = 0;
    std::string name;  ///< the class name, or "class N" where the model names none
    double logit = 0;
    double probability = 0;  ///< softmax over all logits
};

/// The `top` largest logits, best first; ties by index.
std::vector<RankedClass> rank_classes(std::span<const float> logits, const std::vector<std::string>& names,
                                      std::size_t top);

/// Index of the largest logit; the first of equals.
int best_class(std::span<const float> logits);

/// Why the result layer's integers X cannot be what the network computes; empty if they can. Calibrated values keep a
/// guard bit; where some layer's value leaves its range, shares wrap around and what follows is noise over the whole
/// range.
std::string doubt(const Architecture& architecture, std::span<const std::int32_t> x, std::span<const float> logits);

}  // namespace flash::model
