// The inputs of a command: pictures and arrays given one by one.
#pragma once

#include <string>
#include <vector>

#include "model/architecture.h"

namespace flash::data {

struct Input {
    std::string name;           ///< as given; with [i] behind it for the i-th input of an array of several
    std::vector<float> values;  ///< CHW, normalised
};

/// Reads a PNG or JPEG picture, preprocessed as the metadata says, or a .npy file (already normalised;
/// see dataset.h).
/// Throws Error(kFile) if it is missing or damaged, Error(kInvalidArgument) if it does not fit the input shape.
std::vector<Input> load_inputs(const std::string& path, const model::Preprocessing& how, const model::Shape& shape);

}  // namespace flash::data
