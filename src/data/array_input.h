// One item of an array that is normalised already, as a model's input.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "model/architecture.h"

namespace flash::data {

/// Whether `item` is [C, H, W], or [H, W, C] as networks from TensorFlow have their arrays: else
/// Error(kInvalidArgument). `name` is for messages.
void require_fit(const std::vector<std::size_t>& item, const model::Shape& input, const std::string& name);

/// `values`, which lie as `item` says, in the order [C, H, W]. Throws as require_fit() does, and Error(kFile) if a
/// value is not finite.
std::vector<float> array_input(std::vector<float> values, const std::vector<std::size_t>& item,
                               const model::Shape& input, const std::string& name);

}  // namespace flash::data
