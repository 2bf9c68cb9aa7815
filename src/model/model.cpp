#include "model/model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace flash::model {
namespace {

void check(bool condition, const std::string& what) {
    if (!condition) throw Error(ErrorKind::kFile, "model weights: " + what);
}

// Magnitudes are checked without naming the value: weights do not belong in messages.
void check_channels(const std::vector<std::int32_t>& values, std::size_t count, std::int64_t bound, const std::string& what) {
    check(values.size() == count, what + ": wrong count");
    check(std::ranges::all_of(values, [&](std::int64_t value) { return -bound < value && value < bound; }), what + ": out of range");
}

}  // namespace

void validate(const Model& model) {
    const Architecture& architecture = model.architecture;
    validate(architecture);
    check(model.weights.salt.size() == 32, "the salt must have 32 bytes");
    check(model.weights.layers.size() == architecture.layers.size(), "wrong number of layers");
    const std::int64_t quarter = architecture.plain_modulus / 4;
    for (std::size_t i = 0; i < architecture.layers.size(); ++i) {
        const Layer& layer = architecture.layers[i];
        const LayerWeights& weights = model.weights.layers[i];
        const std::string what = fmt::format("layer {} ({})", i, layer.name);
        const auto channels = static_cast<std::size_t>(layer.output.channels);
        check_channels(weights.bias, channels, 2 * quarter, what + ", bias");
        const std::size_t activated = layer.activation ? channels : 0;
        check_channels(weights.kappa, activated, quarter, what + ", activation");
        check_channels(weights.offset, activated, quarter, what + ", offset");
        check(weights.terms.size() == layer.terms.size(), what + ": wrong number of terms");
        for (std::size_t t = 0; t < layer.terms.size(); ++t) {
            const Term& term = layer.terms[t];
            const TermWeights& values = weights.terms[t];
            if (term.kind == TermKind::kScale) {
                check(values.weights.empty(), what + ": a per-channel scale has no int8 weights");
                check_channels(values.scale, channels, std::int64_t{kMaxMultiplier} + 1, what + ", scale");
                continue;
            }
            const std::int64_t count = layer.output.channels * architecture.fan_in(term);
            check(static_cast<std::int64_t>(values.weights.size()) == count, what + ": wrong number of weights");
            check(std::ranges::find(values.weights, std::int8_t{-128}) == values.weights.end(), what + ": a weight is out of range");
            check(values.multiplier >= 1 && values.multiplier <= kMaxMultiplier, what + ": the multiplier is out of range");
            check(values.scale.empty(), what + ": a convolution has no per-channel scale");
        }
    }
}

}  // namespace flash::model
