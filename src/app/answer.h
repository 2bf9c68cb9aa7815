// A result layer as a person reads it.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace flash::app {

struct RankedClass {
    int index = 0;
    std::string name;        ///< the class name, or "class N" where the model names none
    double logit = 0;
    double probability = 0;  ///< softmax over all logits
};

/// The `top` largest logits, best first; ties by index.
std::vector<RankedClass> rank_classes(std::span<const float> logits, const std::vector<std::string>& names, int top);

/// Index of the largest logit; the first of equals.
int best_class(std::span<const float> logits);

}  // namespace flash::app
