#include "data/preprocess.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "data/resize.h"

namespace flash::data {
namespace {

void check_statistics(const model::Preprocessing& how, std::size_t channels) {
    for (const std::vector<float>* values : {&how.mean, &how.std}) {
        if (!values->empty() && values->size() != channels) {
            throw Error(ErrorKind::kInvalidArgument,
                        fmt::format("the model's preprocessing has {} {} values for {} input channels", values->size(),
                                    values == &how.mean ? "mean" : "std", channels));
        }
        for (const float value : *values) {
            if (!std::isfinite(value) || (values == &how.std && value <= 0)) {
                throw Error(ErrorKind::kInvalidArgument, "the model's preprocessing has an unusable mean or std value");
            }
        }
    }
}

void require_known(const model::Preprocessing& how, const std::string& name) {
    if (!takes_pictures(how))
        throw Error(
            ErrorKind::kInvalidArgument,
            fmt::format("'{}' is a picture, but the model does not say how pictures become its input; give arrays "
                        "(.npy), or compile it with --resize, --mean and --std as it was trained",
                        name));
}

Image for_channels(const Image& image, const model::Shape& input, const std::string& name) {
    if (input.channels != 1 && input.channels != 3) {
        throw Error(ErrorKind::kInvalidArgument, fmt::format("picture '{}' cannot be the input of a model that takes "
                                                             "{} (only 1 or 3 channels are pictures); give a .npy file",
                                                             name, describe(input)));
    }
    return with_channels(image, input.channels);
}

}  // namespace

bool takes_pictures(const model::Preprocessing& how) { return !how.mean.empty() || !how.std.empty() || how.resize > 0; }

std::string describe(const model::Preprocessing& how) {
    if (!takes_pictures(how)) return "unknown: only arrays (.npy) are taken";
    std::string text;
    if (how.resize > 0) text += fmt::format("short side to {}, ", how.resize);
    if (how.crop_height > 0 || how.crop_width > 0)
        text += fmt::format("centre crop {}x{}, ", how.crop_height, how.crop_width);
    const auto list = [](const std::vector<float>& values, const char* none) {
        return values.empty() ? std::string(none) : fmt::format("({:.4g})", fmt::join(values, ", "));
    };
    return text + fmt::format("(pixel / 255 - {}) / {}", list(how.mean, "0"), list(how.std, "1"));
}

std::string describe(const model::Shape& shape) {
    return fmt::format("{}x{}x{}", shape.channels, shape.height, shape.width);
}

std::vector<float> normalise(const Image& original, const model::Preprocessing& how, const model::Shape& input,
                             const std::string& name) {
    require_known(how, name);
    const Image image = for_channels(original, input, name);
    const model::Shape shape{image.channels, image.height, image.width};
    if (shape != input) {
        throw Error(ErrorKind::kInvalidArgument,
                    fmt::format("picture '{}' is {} after preprocessing, but the model takes {}", name, describe(shape),
                                describe(input)));
    }
    const auto channels = static_cast<std::size_t>(image.channels);
    check_statistics(how, channels);
    const std::size_t plane = image.pixels.size() / channels;
    std::vector<float> out(image.pixels.size());
    for (std::size_t c = 0; c < channels; ++c) {
        const float mean = how.mean.empty() ? 0.0F : how.mean[c];
        const float std = how.std.empty() ? 1.0F : how.std[c];
        for (std::size_t i = 0; i < plane; ++i) {
            out[c * plane + i] = (static_cast<float>(image.pixels[i * channels + c]) / 255.0F - mean) / std;
        }
    }
    return out;
}

std::vector<float> preprocess(const Image& original, const model::Preprocessing& how, const model::Shape& input,
                              const std::string& name) {
    require(how.resize >= 0 && how.crop_height >= 0 && how.crop_width >= 0, ErrorKind::kInvalidArgument,
            "the model's preprocessing has a negative size");
    require_known(how, name);
    Image image = for_channels(original, input, name);
    if (how.resize > 0) image = resize_short_side(image, how.resize);
    if (how.crop_height > 0 || how.crop_width > 0) {
        const int height = how.crop_height > 0 ? how.crop_height : image.height;
        const int width = how.crop_width > 0 ? how.crop_width : image.width;
        if (height > image.height || width > image.width) {
            throw Error(ErrorKind::kInvalidArgument,
                        fmt::format("picture '{}' is {}x{}x{}, too small to crop {}x{} out of it; the model takes {}",
                                    name, image.channels, image.height, image.width, height, width, describe(input)));
        }
        image = centre_crop(image, height, width);
    }
    return normalise(image, how, input, name);
}

double clamped_share(const model::Architecture& architecture, std::span<const float> values) {
    const double most = architecture.input_scale * (static_cast<double>(architecture.input_limit) + 0.5);
    const auto outside =
        std::ranges::count_if(values, [&](float v) { return std::abs(static_cast<double>(v)) > most; });
    return values.empty() ? 0 : static_cast<double>(outside) / static_cast<double>(values.size());
}

}  // namespace flash::data
