// What `flash compile` is told of pictures (app/compile.h).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "app/compile.h"
#include "base/error.h"
#include "base/table.h"
#include "data/file.h"
#include "model/names.h"

namespace flash::app {
namespace {

constexpr std::uint64_t kMaxClassBytes = std::uint64_t{4} << 20;

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorKind::kInvalidArgument, why); }

/// One value for each channel; a single one serves all.
std::vector<float> for_channels(std::vector<float> values, int channels, const char* option) {
    const auto count = static_cast<std::size_t>(channels);
    if (values.size() == 1) values.resize(count, values[0]);
    if (values.size() != count)
        refuse(fmt::format("{} has {} values, but the network has {} channels", option, values.size(), channels));
    return values;
}

}  // namespace

void apply(const PictureOptions& options, compiler::ImportedModel& imported) {
    const model::Shape& input = imported.input;
    model::Preprocessing& how = imported.preprocessing;
    if (!options.input_size.empty()) {
        const int height = options.input_size.front(), width = options.input_size.back();
        if (height != input.height || width != input.width)
            refuse(fmt::format("--input-size is {}x{}, but the network's input is {}x{}", height, width, input.height,
                               input.width));
    }
    const bool told = options.resize || !options.mean.empty() || !options.std.empty() || options.scale;
    if (told) {
        // The model keeps (pixel / 255 - mean) / std; with another factor than 1/255 both are in other units.
        const double unit = options.scale.value_or(1.0 / 255) * 255;
        if (options.scale && !how.mean.empty() && (options.mean.empty() || options.std.empty()))
            refuse(
                "the file has a mean and a std of its own, for pixels from 0 to 1: with --scale give --mean and --std, "
                "too, in its unit");
        if (options.resize) how.resize = *options.resize;
        if (how.resize > 0 && how.resize < std::min(input.height, input.width))  // of a picture's short side
            refuse(fmt::format("--resize {} is smaller than the network's input of {}x{}", how.resize, input.height,
                               input.width));
        if (!options.mean.empty() || options.scale)
            how.mean =
                for_channels(options.mean.empty() ? std::vector<float>{0} : options.mean, input.channels, "--mean");
        if (!options.std.empty() || options.scale)
            how.std = for_channels(options.std.empty() ? std::vector<float>{1} : options.std, input.channels, "--std");
        if (how.mean.empty()) how.mean.assign(static_cast<std::size_t>(input.channels), 0.0F);
        if (how.std.empty()) how.std.assign(static_cast<std::size_t>(input.channels), 1.0F);
        for (float& value : how.mean)
            if (!options.mean.empty() || options.scale) value = static_cast<float>(value / unit);
        for (float& value : how.std)
            if (!options.std.empty() || options.scale) value = static_cast<float>(value / unit);
        for (const float value : how.std)
            if (!(value > 0) || !std::isfinite(value)) refuse("--std and --scale must be positive");
        for (const float value : how.mean)
            if (!std::isfinite(value)) refuse("--mean must be finite");
        how.crop_height = input.height;
        how.crop_width = input.width;
    }
    if (options.classes.empty()) return;
    imported.classes = data::read_lines(options.classes.string(), kMaxClassBytes);
    for (const std::string& name : imported.classes)
        model::check_name(
            name, fmt::format("the {}. line of {}", &name - imported.classes.data() + 1, options.classes.string()));
    const auto outputs = static_cast<std::size_t>(imported.output().size());
    if (imported.classes.size() != outputs)
        refuse(fmt::format("{} names {} classes, but the network has {} outputs", options.classes.string(),
                           imported.classes.size(), outputs));
}

}  // namespace flash::app
