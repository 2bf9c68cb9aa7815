// How far the logits of a private run may lie from the twin's.
#pragma once

#include <cstdint>
#include <span>

#include "model/twin.h"

namespace flash::app {

/// How far a private run's logits may lie from the twin's (`logits`, rounding to the nearest): six sigma of what random
/// rounding alone does to this input in the twin, and one unit of the result layer (output_scale), which is always
/// possible.
inline constexpr double kLogitBoundSigmas = 6;
double logit_bound(const model::Twin& twin, std::span<const std::int32_t> input, std::span<const float> logits,
                   double output_scale);

}  // namespace flash::app
