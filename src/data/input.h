// The inputs of a command: pictures and arrays given one by one, folders of them, and standard input.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/architecture.h"

namespace flash::data {

struct Input {
    std::string name;           ///< as given; with [i] behind it for the i-th input of an array of several
    std::vector<float> values;  ///< CHW, normalised
    std::string dropped;        ///< what of the file was left out (data/image.h), for a warning
};

/// What a word of the command line stands for: the pictures and arrays in a folder, sorted, or the word itself; "-" is
/// standard input. Error(kFile) if there is no such file or nothing in the folder.
std::vector<std::string> find_inputs(const std::string& word);

/// Reads a PNG or JPEG picture, preprocessed as the metadata says, or a .npy file (already normalised, see dataset.h);
/// "-" reads either of them from standard input. Throws Error(kFile) if it is missing or damaged,
/// Error(kInvalidArgument) if it does not fit the input shape.
std::vector<Input> load_inputs(const std::string& path, const model::Preprocessing& how, const model::Shape& shape);

}  // namespace flash::data
