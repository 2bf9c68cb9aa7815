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
void check_channels(const std::vector<std::int32_t>& values, const std::vector<std::int64_t>& bounds,
                    const std::string& what) {
    check(values.size() == bounds.size(), what + ": wrong count");
    for (std::size_t c = 0; c < values.size(); ++c)
        check(-bounds[c] < values[c] && values[c] < bounds[c], what + ": out of range");
}

}  // namespace

void validate_layer(const Architecture& architecture, std::size_t index, const LayerWeights& weights) {
    const int id = static_cast<int>(index);
    const Layer& layer = architecture.layers[index];
    const std::string what = fmt::format("layer {} ({})", index, layer.name);
    const auto channels = static_cast<std::size_t>(layer.output.channels);
    const std::int64_t bias_bound = 2 * (architecture.bias_modulus(id) / 4);
    check_channels(weights.bias, std::vector<std::int64_t>(channels, bias_bound), what + ", bias");
    std::vector<std::int64_t> quarters;  // of the moduli of what the layer activates
    if (layer.activation)
        for (std::uint32_t modulus : architecture.channel_moduli(id + 1)) quarters.push_back(modulus / 4);
    check_channels(weights.kappa, layer.curve == Curve::kSine ? std::vector<std::int64_t>{} : quarters,
                   what + ", activation");
    check_channels(weights.offset, quarters, what + ", offset");
    check(weights.terms.size() == layer.terms.size(), what + ": wrong number of terms");
    for (std::size_t t = 0; t < layer.terms.size(); ++t) {
        const Term& term = layer.terms[t];
        const TermWeights& values = weights.terms[t];
        if (term.kind == TermKind::kScale) {
            check(values.weights.empty(), what + ": a per-channel scale has no int8 weights");
            check_channels(values.scale, std::vector<std::int64_t>(channels, std::int64_t{kMaxMultiplier} + 1),
                           what + ", scale");
            continue;
        }
        const std::int64_t count = layer.output.channels * architecture.fan_in(term);
        check(static_cast<std::int64_t>(values.weights.size()) == count, what + ": wrong number of weights");
        check(std::ranges::find(values.weights, std::int8_t{-128}) == values.weights.end(),
              what + ": a weight is out of range");
        check(values.multiplier >= 1 && values.multiplier <= kMaxMultiplier, what + ": the multiplier is out of range");
        check(values.scale.empty(), what + ": a convolution has no per-channel scale");
    }
}

void validate_salt(std::span<const std::uint8_t> salt) { check(salt.size() == 32, "the salt must have 32 bytes"); }

void validate(const Model& model) {
    validate(model.architecture);
    validate_salt(model.weights.salt);
    check(model.weights.layers.size() == model.architecture.layers.size(), "wrong number of layers");
    for (std::size_t i = 0; i < model.architecture.layers.size(); ++i)
        validate_layer(model.architecture, i, model.weights.layers[i]);
}

}  // namespace flash::model
