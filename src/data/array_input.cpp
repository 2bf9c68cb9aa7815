#include "data/array_input.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "data/preprocess.h"

namespace flash::data {

namespace {

using Extents = std::vector<std::size_t>;

Extents extents(int a, int b, int c) {
    return {static_cast<std::size_t>(a), static_cast<std::size_t>(b), static_cast<std::size_t>(c)};
}

Extents channels_first(const model::Shape& input) { return extents(input.channels, input.height, input.width); }

}  // namespace

void require_fit(const Extents& item, const model::Shape& input, const std::string& name) {
    if (item != channels_first(input) && item != extents(input.height, input.width, input.channels))
        throw Error(ErrorKind::kInvalidArgument, fmt::format("'{}' holds inputs of {}, but the model takes {}", name,
                                                             fmt::join(item, "x"), describe(input)));
}

std::vector<float> array_input(std::vector<float> values, const Extents& item, const model::Shape& input,
                               const std::string& name) {
    require_fit(item, input, name);
    if (item != channels_first(input)) {
        const std::size_t channels = item[2], pixels = item[0] * item[1];
        std::vector<float> turned(values.size());
        for (std::size_t i = 0; i < values.size(); ++i) turned[i % channels * pixels + i / channels] = values[i];
        values = std::move(turned);
    }
    if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); }))
        throw Error(ErrorKind::kFile, fmt::format("'{}' holds a value that is not finite", name));
    return values;
}

}  // namespace flash::data
