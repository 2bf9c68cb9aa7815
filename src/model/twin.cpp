#include "model/twin.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "model/arithmetic.h"
#include "model/sine.h"
#include "model/term_parts.h"

namespace flash::model {
namespace {

// Exactness. A convolution's inputs are kept within 2^28 (larger ones, which only an overflow produces, are replaced by
// their residue mod T), weights within 127, and validate() allows 2^18 products per sum: every partial sum stays below
// 2^53 and is exact in double precision. A convolution result beyond 2^32 is taken for an overflow with every T; it is
// replaced by a residue that is still out of range, so that multiplying by up to 2^24 and adding 64 terms stays within
// 63 bits.
constexpr std::int64_t kOperandLimit = std::int64_t{1} << 28;
constexpr std::int64_t kProductLimit = std::int64_t{1} << 32;
static_assert(kMaxInnerDimension <= (std::int64_t{1} << 18) && kMaxMultiplier < (1 << 24) && kMaxTerms <= 64);

std::int64_t bounded_operand(std::int64_t value, std::uint32_t modulus) {
    return std::abs(value) <= kOperandLimit ? value : centre(value, modulus);
}

void bound_operands(std::vector<std::int64_t>& values, std::span<const std::uint32_t> channel_moduli) {
    const std::size_t plane = values.size() / channel_moduli.size();
    for (std::size_t c = 0, p = 0; c < channel_moduli.size(); ++c)
        for (const std::size_t end = p + plane; p < end; ++p) values[p] = bounded_operand(values[p], channel_moduli[c]);
}

std::int64_t bounded_product(double exact, std::uint32_t modulus) {
    const auto value = static_cast<std::int64_t>(exact);
    if (std::abs(value) <= kProductLimit) return value;
    return centre(value, modulus) + (value > 0 ? 8 : -8) * std::int64_t{modulus};
}

std::uint64_t mix(std::uint64_t x) {  // splitmix64: statistical quality is all that the rounding needs
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/// Its low bits are the client's share; the high ones were used to round X.
std::int64_t sine_of_random_shares(std::int64_t x, int share_bits, int amplitude, std::uint64_t random) {
    const std::uint32_t mask = (std::uint32_t{1} << share_bits) - 1, client = static_cast<std::uint32_t>(random) & mask,
                        sum = static_cast<std::uint32_t>(x) + (std::uint32_t{1} << (share_bits - 2));
    return sine_of_shares(client, (sum - client) & mask, share_bits, amplitude);
}

}  // namespace

struct Twin::Prepared {
    std::vector<std::uint32_t> moduli;                  // of the layer's sources
    std::vector<std::vector<std::uint32_t>> of_source;  // per term: T of each channel of its source
    std::vector<std::vector<std::size_t>> number_of;    // the same as numbers in `moduli`
    std::vector<std::vector<TermPart>> parts;           // per term; none for kScale
    std::vector<std::uint32_t> of_output;               // T of each channel that the layer activates
};

Twin::Twin(const Model& model) : model_(model) {
    validate(model);
    for (std::size_t i = 0; i < model.architecture.layers.size(); ++i) {
        const Layer& layer = model.architecture.layers[i];
        Prepared& prepared = layers_.emplace_back();
        prepared.moduli = model.architecture.layer_moduli(static_cast<int>(i));
        if (layer.activation) prepared.of_output = model.architecture.channel_moduli(static_cast<int>(i) + 1);
        for (std::size_t t = 0; t < layer.terms.size(); ++t) {
            const Term& term = layer.terms[t];
            prepared.of_source.push_back(model.architecture.channel_moduli(term.source));
            std::vector<std::size_t>& number_of = prepared.number_of.emplace_back();
            for (std::uint32_t modulus : prepared.of_source.back())
                number_of.push_back(
                    static_cast<std::size_t>(std::ranges::find(prepared.moduli, modulus) - prepared.moduli.begin()));
            std::vector<TermPart>& parts = prepared.parts.emplace_back();
            if (term.kind == TermKind::kConvolution)
                parts = take_apart(model.weights.layers[i].terms[t].weights, layer.output.channels,
                                   model.architecture.pooled_shape(term), term.window, term.groups, number_of);
        }
    }
}

Twin::~Twin() = default;

Accumulators Twin::accumulate(int index, const std::vector<std::vector<std::int64_t>>& values) const {
    const Architecture& architecture = model_.architecture;
    require(index >= 0 && static_cast<std::size_t>(index) < layers_.size(), ErrorKind::kInvalidArgument,
            "twin: no such layer");
    const auto i = static_cast<std::size_t>(index);
    const Layer& layer = architecture.layers[i];
    const LayerWeights& weights = model_.weights.layers[i];
    const Prepared& prepared = layers_[i];
    const auto plane = static_cast<std::size_t>(layer.output.height) * static_cast<std::size_t>(layer.output.width);
    const auto channels = static_cast<std::size_t>(layer.output.channels);

    Accumulators acc{prepared.moduli, {}};
    acc.sums.assign(prepared.moduli.size(), std::vector<std::int64_t>(channels * plane));
    for (std::size_t o = 0; o < channels; ++o)
        std::fill_n(acc.sums[0].begin() + static_cast<std::ptrdiff_t>(o * plane), plane, weights.bias[o]);
    std::vector<double> operand, gathered, product;
    for (std::size_t t = 0; t < layer.terms.size(); ++t) {
        const Term& term = layer.terms[t];
        const auto source_id = static_cast<std::size_t>(term.source);
        const Shape& source_shape = architecture.value_shape(term.source);
        require(source_id < values.size() && static_cast<std::int64_t>(values[source_id].size()) == source_shape.size(),
                ErrorKind::kInvalidArgument, "twin: a source value has the wrong size");
        std::vector<std::int64_t> source = values[source_id];
        bound_operands(source, prepared.of_source[t]);
        if (term.pool) {
            std::vector<std::int64_t> pooled(static_cast<std::size_t>(architecture.pooled_shape(term).size()));
            sum_pool(source, source_shape, *term.pool, pooled);
            source = std::move(pooled);
            bound_operands(source, prepared.of_source[t]);
        }
        const TermWeights& values_of_term = weights.terms[t];
        if (term.kind == TermKind::kScale) {
            for (std::size_t o = 0; o < channels; ++o) {
                std::vector<std::int64_t>& sums = acc.sums[prepared.number_of[t][o]];
                for (std::size_t p = o * plane; p < (o + 1) * plane; ++p)
                    sums[p] += values_of_term.scale[o] * source[p];
            }
            continue;
        }
        operand.resize(source.size());
        std::transform(source.begin(), source.end(), operand.begin(),
                       [](std::int64_t value) { return static_cast<double>(value); });
        const std::size_t source_plane = source.size() / prepared.number_of[t].size();
        for (const TermPart& part : prepared.parts[t]) {
            product.assign(part.outputs.size() * plane, 0.0);
            part.convolution->add_to(part.operand(operand, source_plane, gathered), product);
            std::vector<std::int64_t>& sums = acc.sums[part.modulus];
            const std::uint32_t modulus = prepared.moduli[part.modulus];
            for (std::size_t n = 0; n < part.outputs.size(); ++n) {
                std::int64_t* to = sums.data() + static_cast<std::size_t>(part.outputs[n]) * plane;
                for (std::size_t p = 0; p < plane; ++p)
                    to[p] += values_of_term.multiplier * bounded_product(product[n * plane + p], modulus);
            }
        }
    }
    return acc;
}

TwinResult Twin::run(std::span<const std::int32_t> input, Rounding rounding, bool keep_layers) const {
    const Architecture& architecture = model_.architecture;
    require(static_cast<std::int64_t>(input.size()) == architecture.input.size(), ErrorKind::kInvalidArgument,
            "twin: the input has the wrong size");
    const std::size_t count = layers_.size();
    std::vector<std::size_t> last_use(count + 1, 0);
    for (std::size_t i = 0; i < count; ++i)
        for (const Term& term : architecture.layers[i].terms) last_use[static_cast<std::size_t>(term.source)] = i;

    TwinResult result;
    std::vector<std::vector<std::int64_t>> values(count);
    values[0].assign(input.begin(), input.end());
    for (std::size_t i = 0; i < count; ++i) {
        const Layer& layer = architecture.layers[i];
        const LayerWeights& weights = model_.weights.layers[i];
        Accumulators acc = accumulate(static_cast<int>(i), values);
        for (std::size_t v = 0; v <= i; ++v)
            if (last_use[v] == i) std::vector<std::int64_t>().swap(values[v]);

        const int m = layer.share_bits;
        const std::int64_t guard = std::int64_t{1} << (m - 2), limit = share_limit(m);
        const std::uint64_t stream = mix(rounding.seed ^ mix(i + 1));
        const std::vector<FractionOf> fraction_of(acc.moduli.begin(), acc.moduli.end());
        double largest = 0;
        std::vector<std::int32_t> xs(acc.size());
        std::vector<std::int64_t> ys(layer.activation ? acc.size() : 0);
        const bool periodic = architecture.periodic(i);
        const std::int64_t period_mask = (std::int64_t{1} << m) - 1;
        const std::size_t plane = acc.size() / static_cast<std::size_t>(layer.output.channels);
        for (std::size_t o = 0, p = 0; o < static_cast<std::size_t>(layer.output.channels); ++o) {
            const std::int64_t kappa = layer.activation && !periodic ? weights.kappa[o] : 0,
                               offset = layer.activation ? weights.offset[o] : 0,
                               modulus = layer.activation ? layers_[i].of_output[o] : 0;
            for (const std::size_t end = p + plane; p < end; ++p) {
                // The protocol sees each accumulator mod its T only.
                Fraction phase = 0;
                for (std::size_t n = 0; n < fraction_of.size(); ++n) phase += fraction_of[n](acc.sums[n][p]);
                std::int64_t x = rounding.mode == Rounding::Mode::kNearest
                                     ? round_nearest(phase, m)
                                     : round_stochastic(phase, m, static_cast<std::uint32_t>(mix(stream + p) >> 32));
                if (periodic) {
                    x &= period_mask;
                    xs[p] = static_cast<std::int32_t>(x);
                    ys[p] = offset + (rounding.mode == Rounding::Mode::kNearest
                                          ? sine_curve(x, m, layer.amplitude)
                                          : sine_of_random_shares(x, m, layer.amplitude, mix(stream + p)));
                    continue;
                }
                x = ((x + guard) & period_mask) - guard;
                const double use = std::abs(acc.use(p));
                largest = std::max(largest, use);
                bool overflow = use >= 1 || std::abs(x) > limit;
                xs[p] = static_cast<std::int32_t>(x);
                if (layer.activation) {
                    ys[p] = activate(x, kappa, offset);
                    overflow = overflow || 2 * std::abs(ys[p]) >= modulus;
                }
                result.overflows += overflow;
            }
        }
        result.use.push_back(largest);
        if (i + 1 == count) {
            result.output = xs;
            result.logits = dequantise_output(architecture, xs);
        } else {
            values[i + 1] = ys;
        }
        if (keep_layers) result.layers.push_back({std::move(acc), std::move(xs), std::move(ys)});
    }
    return result;
}

}  // namespace flash::model
