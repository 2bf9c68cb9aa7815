// From a picture to a network's input, as the model's metadata says.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "data/image.h"
#include "model/architecture.h"

namespace flash::data {

/// CHW floats: channels as the model has them, short side resized (0: not), centre cropped (0: not), pixels divided by
/// 255, then (x - mean) / std per channel (empty mean: 0, empty std: 1).
/// Throws Error(kInvalidArgument), naming both shapes, if the result is not of the model's input shape.
/// `name` is for messages.
std::vector<float> preprocess(const Image& image, const model::Preprocessing& how, const model::Shape& input,
                              const std::string& name);

/// Only the last step, for pictures that are of the input's size already.
std::vector<float> normalise(const Image& image, const model::Preprocessing& how, const model::Shape& input,
                             const std::string& name);

/// Whether the model says how pictures become its input. Of one that does not, only arrays are taken: cropping and
/// scaling at a guess would give confident answers to something else.
bool takes_pictures(const model::Preprocessing& how);

/// Share of the values that lie beyond the model's range of inputs and are clamped to it; 0 to 1.
double clamped_share(const model::Architecture& architecture, std::span<const float> values);

/// In words, e.g. "short side to 256, centre crop 224x224, (pixel / 255 - (0.485, ...)) / (0.229, ...)".
std::string describe(const model::Preprocessing& how);

/// "3x32x32".
std::string describe(const model::Shape& shape);

}  // namespace flash::data
