// Small random compiled models, built by hand: no compiler involved.
#pragma once

#include <cstdint>
#include <vector>

#include "model/model.h"

namespace flash::testing {

/// A residual network on a 2 x 6 x 5 input: convolution; convolution of stride 2 with asymmetric padding; convolution
/// plus pooled identity shortcut; fully connected on pooled values. Values stay within T/4. T of 25 bits.
model::Model sample_model(std::uint64_t seed = 1, const model::SlotChoice& slots = {});
std::vector<std::int32_t> sample_input(const model::Model& model, std::uint64_t seed);

}  // namespace flash::testing
