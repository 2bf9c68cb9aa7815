// What both parties know of a model, how pictures become its input, and what its answers look like.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "flash/error.h"

namespace flash {

/// Of a picture or a feature map, channels first (CHW).
struct Shape3 {
    int channels = 0, height = 0, width = 0;
    std::size_t size() const {
        return static_cast<std::size_t>(channels) * static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
    }
    bool operator==(const Shape3&) const = default;
};

/// From pixels to the network's input: short side resized (0: not), centre cropped (0: not), pixels divided by 255,
/// then (x - mean) / std per channel.
struct PictureRule {
    int resize = 0;
    int crop_height = 0, crop_width = 0;
    std::vector<float> mean, std;
};

/// The public half of a model: what a client learns in the handshake.
struct ModelInfo {
    std::string name;
    std::string fingerprint;  ///< 64 hexadecimal digits: commits to the weights and tells nothing of them
    Shape3 input, output;
    std::vector<std::string> classes;  ///< empty: the model names none
    bool takes_pictures = false;       ///< false: nobody said how pictures become its input, so it takes arrays only
    PictureRule pictures;
    int layers = 0;                      ///< with the result layer
    std::int64_t activation_values = 0;  ///< of one inference: what bytes and time go with
    std::uint64_t upload_bytes = 0;      ///< that a client sends in one inference, exactly
    std::uint64_t download_bytes = 0;    ///< that it receives
};

/// A decoded picture: 8 bits a sample, row by row, the 1 or 3 channels of a pixel together (HWC).
struct Pixels {
    std::span<const std::uint8_t> samples;
    int height = 0, width = 0, channels = 3;
};

/// The network's input of a picture, as `model.pictures` says: model.input.size() floats, CHW. Error(kInvalidArgument)
/// if the picture does not fit or the model takes arrays only.
std::vector<float> prepare(const ModelInfo& model, const Pixels& picture);
/// The same of a PNG or JPEG file. Error(kFile) if it is missing or damaged.
std::vector<float> prepare(const ModelInfo& model, const std::filesystem::path& picture);

struct ClassScore {
    int index = 0;
    std::string name;  ///< "class N" where the model names none
    double logit = 0;
    double probability = 0;  ///< softmax over all logits
};

/// The `count` largest logits, best first; ties by index.
std::vector<ClassScore> best_classes(const ModelInfo& model, std::span<const float> logits, std::size_t count = 5);

}  // namespace flash
