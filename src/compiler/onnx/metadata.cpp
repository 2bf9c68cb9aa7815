#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/table.h"
#include "compiler/onnx/metadata.h"
#include "model/names.h"

namespace flash::compiler {

using model::Shape;
using Json = nlohmann::json;

namespace {

/// Nothing else is a size: a fraction, a truth value or a number beyond an int would be read as another one.
int size_of(const Json& value) {
    if (!value.is_number_integer() || value < 0 || value > model::kMaxPictureExtent)
        throw Error(
            ErrorKind::kInvalidArgument,
            fmt::format("the model's metadata \"flash.input\" has a size that is not a whole number of pixels up "
                        "to {}: {}",
                        model::kMaxPictureExtent,
                        printable(value.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 100))));
    return value.get<int>();
}

std::vector<float> numbers_of(const Json& values) {
    for (const Json& value : values.get<Json::array_t>())
        if (!value.is_number())
            throw Error(ErrorKind::kInvalidArgument,
                        "the model's metadata \"flash.input\" has a mean or std that is not a list of numbers");
    return values.get<std::vector<float>>();
}

model::Preprocessing read_preprocessing(const std::string& text, const Shape& input) {
    const auto channels = static_cast<std::size_t>(input.channels);
    model::Preprocessing p{0, input.height, input.width, std::vector<float>(channels, 0.0f),
                           std::vector<float>(channels, 1.0f)};
    try {
        const auto json = Json::parse(text).get<Json::object_t>();  // throws for anything but an object
        for (const auto& [key, value] : json) {
            // What the client does anyway may be said; anything else would be done wrongly without a word.
            const bool said = (key == "color" && value == "rgb") || (key == "interpolation" && value == "bilinear");
            if (!said && key != "mean" && key != "std" && key != "resize" && key != "crop")
                throw Error(
                    ErrorKind::kInvalidArgument,
                    fmt::format("the model's metadata \"flash.input\" has the entry \"{}\" of the value {}, "
                                "which Flash does not know: mean, std, resize and crop are read, \"color\" must "
                                "be \"rgb\" and \"interpolation\" \"bilinear\"",
                                key,
                                printable(value.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 100))));
        }
        if (json.contains("mean")) p.mean = numbers_of(json.at("mean"));
        if (json.contains("std")) p.std = numbers_of(json.at("std"));
        if (json.contains("resize") && !json.at("resize").is_null()) p.resize = size_of(json.at("resize"));
        if (json.contains("crop") && !json.at("crop").is_null()) {
            const Json& crop = json.at("crop");
            if (crop.is_array() && crop.size() != 2)
                throw Error(
                    ErrorKind::kInvalidArgument,
                    "the model's metadata \"flash.input\" has a crop that is neither a side nor [height, width]");
            p.crop_height = size_of(crop.is_array() ? crop.at(0) : crop);
            p.crop_width = size_of(crop.is_array() ? crop.at(1) : crop);
        }
    } catch (const Json::exception&) {
        throw Error(ErrorKind::kInvalidArgument,
                    "the model's metadata \"flash.input\" is not a JSON object with mean, std, resize and crop");
    }
    if (p.mean.size() != channels || p.std.size() != channels)
        throw Error(
            ErrorKind::kInvalidArgument,
            fmt::format("the model's metadata \"flash.input\" must have {} means and stds, one per input channel",
                        channels));
    for (std::size_t c = 0; c < channels; ++c)
        if (!std::isfinite(p.mean[c]) || !std::isfinite(p.std[c]) || p.std[c] <= 0)
            throw Error(
                ErrorKind::kInvalidArgument,
                "the model's metadata \"flash.input\" holds a std that is not positive or a number that is not finite");
    if (p.crop_height != input.height || p.crop_width != input.width)
        throw Error(ErrorKind::kInvalidArgument,
                    fmt::format("the model's metadata \"flash.input\" crops to {} x {}, but its input is {} x {}",
                                p.crop_height, p.crop_width, input.height, input.width));
    return p;
}

}  // namespace

void read_metadata(const onnx::ModelProto& model, const std::string& default_name, ImportedModel& imported) {
    static const std::set<std::string> known = {"flash.name", "flash.input", "flash.classes"};
    imported.name = default_name;
    imported.preprocessing = {};  // takes arrays only, unless the file says how pictures come in
    for (const auto& entry : model.metadata_props()) {
        if (entry.key().starts_with("flash.") && !known.contains(entry.key()))
            throw Error(ErrorKind::kInvalidArgument,
                        fmt::format("the model has the metadata \"{}\", which Flash does not know", entry.key()));
        if (entry.key() == "flash.name" && !entry.value().empty()) imported.name = entry.value();
        if (entry.key() == "flash.input") imported.preprocessing = read_preprocessing(entry.value(), imported.input);
        if (entry.key() == "flash.classes") {
            try {
                imported.classes = Json::parse(entry.value()).get<std::vector<std::string>>();
            } catch (const Json::exception&) {
                throw Error(ErrorKind::kInvalidArgument,
                            "the model's metadata \"flash.classes\" is not a JSON array of names");
            }
        }
    }
    if (imported.name.size() > 200) imported.name.resize(200);
    imported.name = printable(imported.name);  // the cut may have broken a character
    for (const std::string& name : imported.classes)
        model::check_name(name, "a class of the metadata \"flash.classes\"");
    const std::int64_t outputs = imported.output().size();
    if (!imported.classes.empty() && static_cast<std::int64_t>(imported.classes.size()) != outputs)
        throw Error(ErrorKind::kInvalidArgument,
                    fmt::format("the model's metadata \"flash.classes\" names {} classes, but it has {} outputs",
                                imported.classes.size(), outputs));
}

}  // namespace flash::compiler
