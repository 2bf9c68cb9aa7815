#include "api/info.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/preprocess.h"

namespace flash::api {

Shape3 shape_of(const model::Shape& shape) { return {shape.channels, shape.height, shape.width}; }

PictureRule rule_of(const model::Preprocessing& how) {
    return {how.resize, how.crop_height, how.crop_width, how.mean, how.std};
}

model::Preprocessing preprocessing_of(const PictureRule& rule) {
    model::Preprocessing how;
    how.resize = rule.resize;
    how.crop_height = rule.crop_height;
    how.crop_width = rule.crop_width;
    how.mean = rule.mean;
    how.std = rule.std;
    return how;
}

ModelInfo info_of(const model::Architecture& architecture, const Sha256& fingerprint,
                  const protocol::InferenceCost& cost) {
    ModelInfo info;
    info.name = architecture.name;
    info.fingerprint = to_hex(fingerprint);
    info.input = shape_of(architecture.input);
    info.output = shape_of(architecture.output_shape());
    info.classes = architecture.classes;
    info.takes_pictures = data::takes_pictures(architecture.preprocessing);
    info.pictures = rule_of(architecture.preprocessing);
    info.layers = static_cast<int>(architecture.layers.size());
    info.activation_values = architecture.activation_values();
    info.upload_bytes = cost.up();
    info.download_bytes = cost.down();
    return info;
}

void check_input(const ModelInfo& model, std::span<const float> input) {
    if (input.size() != model.input.size())
        throw Error(ErrorKind::kInvalidArgument,
                    fmt::format("the input has {} values; {} takes {}x{}x{} = {}", input.size(), model.name,
                                model.input.channels, model.input.height, model.input.width, model.input.size()));
    if (!std::ranges::all_of(input, [](float value) { return std::isfinite(value); }))
        throw Error(ErrorKind::kInvalidArgument, "the input holds a value that is not finite");
}

}  // namespace flash::api
