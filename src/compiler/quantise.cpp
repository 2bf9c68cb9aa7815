#include "compiler/quantise.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "compiler/term_walk.h"
#include "model/arithmetic.h"
#include "model/sine.h"
#include "packing/upload_bits.h"
#include "packing/weight_energy.h"
#include "scheme/direct_noise.h"

namespace flash::compiler {
namespace {

using model::LayerWeights;
using model::TermKind;
using model::TermWeights;

constexpr double kRoundingVariance =
    1.0 / 6;  // of X rounded up or down at random, without bias; the mean of X^2 grows by as much
constexpr double kMostFeedback = 1;         // by which a kernel's sum may be moved
constexpr double kConstantUnits = 1 << 12;  // Y of a channel whose activation is a constant
constexpr double kTinyScale = 1e-30;

/// Rounds the weights of one kernel to the nearest integers, but for those nearest to the middle between two where that
/// brings their sum within half a unit of the exact one plus `missing`.
void round_kernel(std::span<const double> exact, double missing, std::vector<double>& rounded) {
    rounded.clear();
    for (double value : exact) {
        rounded.push_back(std::clamp(std::round(value), -kMaxInt8, kMaxInt8));
        missing += value - rounded.back();
    }
    while (std::abs(missing) > 0.5) {
        const double step = missing > 0 ? 1 : -1;
        std::size_t best = exact.size();
        for (std::size_t k = 0; k < exact.size(); ++k)
            if (std::abs(rounded[k] + step) <= kMaxInt8 &&
                (best == exact.size() || step * (exact[k] - rounded[k]) > step * (exact[best] - rounded[best])))
                best = k;
        if (best == exact.size() || step * (exact[best] - rounded[best]) <= 0) break;  // saturated
        rounded[best] += step;
        missing -= step;
    }
}

constexpr int kLeastShareBits = 7;  // of a layer that has fewer than asked for because of its noise

/// Says that the noise bound is missed; fewer share bits may help.
class NoiseError : public Error {
    using Error::Error;
};

/// The integers of a value, per channel.
struct ValueScale {
    std::vector<double> unit;  // y of Y = 1
    std::vector<double>
        excess;  // mean of Y beyond the exact one, in its units: from rounding the offset, and X up or down at random
};

class LayerQuantiser {
public:
    /// architecture: shapes and moduli of all layers.
    LayerQuantiser(const Network& network, std::size_t index, const Calibration& calibration, const LayerRange& range,
                   const model::Architecture& architecture, int share_bits, int amplitude)
        : network_(network),
          layer_(network.layers[index]),
          index_(index),
          calibration_(calibration),
          range_(range),
          architecture_(architecture),
          modulus_(architecture.bias_modulus(static_cast<int>(index))),
          m_(share_bits),
          amplitude_(amplitude),
          channels_(static_cast<std::size_t>(layer_.output.channels)) {
        for (double r : range.channels) delta_.push_back(r / positions(m_, range.periodic));
    }

    /// What one unit of the accumulator of channel o is worth, in that of T_1.
    double unit(std::size_t o) const { return delta_[o] * std::ldexp(1.0, m_) / modulus_; }

    /// Channel o's activation does not depend on x: it then computes nothing.
    bool constant(std::size_t o) const {
        return layer_.activation &&
               std::visit([&](const auto& curve) { return constant_in(curve, o); }, *layer_.activation);
    }

    /// T_c / T_1 of each channel of a term's source.
    std::vector<double> ratios(const FloatTerm& term) const {
        std::vector<double> result;
        for (std::uint32_t modulus : architecture_.channel_moduli(term.source))
            result.push_back(static_cast<double>(modulus) / modulus_);
        return result;
    }

    /// What Y = 1 of each channel of a term's source is worth, if acc = 1 of any channel were worth what it is with
    /// T_1. unit_of_y: y of Y = 1.
    std::vector<double> scaled_units(const FloatTerm& term, const std::vector<double>& unit_of_y) const {
        std::vector<double> result = ratios(term);
        for (std::size_t c = 0; c < result.size(); ++c) result[c] *= unit_of_y[c];
        return result;
    }

    /// Largest |weight| of a convolution term in accumulator units, per output channel. unit_of_y: y of Y = 1.
    std::vector<double> largest(const FloatTerm& term, const std::vector<double>& unit_of_y) const {
        const std::vector<double> source_scale = scaled_units(term, unit_of_y);
        std::vector<double> result(channels_, 0.0);
        for_each_weight(term, channels_, [&](std::size_t o, std::size_t c, std::size_t k) {
            result[o] = std::max(result[o], std::abs(term.weights[k] * source_scale[c]) / unit(o));
        });
        return result;
    }

    /// public_layer: the layer in the architecture, which has no bits yet.
    void run(const model::Layer& public_layer, const std::vector<ValueScale>& values, LayerWeights& out,
             std::vector<double>& shift, std::vector<double>& excess) {
        choose_multipliers(values);
        for (std::size_t t = 0; t < layer_.terms.size(); ++t)
            out.terms.push_back(quantise_term(
                layer_.terms[t], values[static_cast<std::size_t>(layer_.terms[t].source)].unit, multipliers_[t]));
        quantise_activation(out, shift, excess, mean_error(values, out));
        check_noise(public_layer, out);
    }

private:
    std::string place() const {
        double range = 0, seen = 0;
        for (double r : range_.channels) range = std::max(range, r);
        for (const ChannelStatistics& channel : calibration_.layers[index_]) seen = std::max(seen, channel.largest);
        return fmt::format("layer {} ({}), range {:.4g} ({:.4g} seen in calibration), at m = {}, T = {}", index_,
                           layer_.name, range, seen, m_, modulus_);
    }

    [[noreturn]] void fail(const std::string& what) const { throw Error(ErrorKind::kRange, place() + ": " + what); }

    /// One multiplier per convolution term, so that every weight fits int8.
    void choose_multipliers(const std::vector<ValueScale>& values) {
        for (const FloatTerm& term : layer_.terms) {
            double multiplier = 1;
            if (term.kind == TermKind::kConvolution) {
                const std::vector<double> per_channel = largest(term, values[term.source].unit);
                double most = 0;
                for (std::size_t o = 0; o < channels_; ++o)
                    if (!constant(o)) most = std::max(most, per_channel[o]);
                multiplier = choose_multiplier(most);
                if (!(multiplier <= model::kMaxMultiplier))
                    fail(
                        fmt::format("its weights need a multiplier of 2^{:.1f}; 24 bits are allowed, because its "
                                    "operands are small beside its range. Use fewer bits of T, or "
                                    "check the calibration images",
                                    std::log2(multiplier)));
            }
            multipliers_.push_back(multiplier);
        }
    }

    TermWeights quantise_term(const FloatTerm& term, const std::vector<double>& unit_of_y, double multiplier) const {
        const std::vector<double> source_scale = scaled_units(term, unit_of_y);
        const auto source = static_cast<std::size_t>(term.source);
        TermWeights out;
        out.multiplier = static_cast<std::int32_t>(multiplier);
        if (term.kind == TermKind::kScale) {
            for (std::size_t o = 0; o < channels_; ++o) {
                const double scale = constant(o) ? 0 : std::round(term.weights[o] * source_scale[o] / unit(o));
                if (!(std::abs(scale) <= model::kMaxMultiplier))
                    fail(fmt::format("its shortcut needs a scale of {:.3g} bits; 24 are allowed. Use fewer bits of T",
                                     std::log2(std::abs(scale))));
                out.scale.push_back(static_cast<std::int32_t>(scale));
            }
            return out;
        }
        out.weights.resize(term.weights.size());
        const std::size_t size =
            static_cast<std::size_t>(term.window.kernel_h) * static_cast<std::size_t>(term.window.kernel_w);
        // What the errors of an output's kernels add up to on the samples is kept, and the next kernel's sum is moved
        // so as to take it back.
        const Samples& samples = calibration_.samples[source];
        std::vector<double> kernel, rounded;
        std::vector<float> left(samples.count());
        std::size_t output = 0;
        for_each_weight(term, channels_, [&](std::size_t o, std::size_t c, std::size_t k) {
            kernel.push_back(constant(o) ? 0 : term.weights[k] * source_scale[c] / unit(o) / multiplier);
            if (kernel.size() < size) return;
            if (o != output) std::ranges::fill(left, 0.0F);
            output = o;
            const std::span<const float> seen = samples.of(c);
            double missing = samples.feedback(c, left) * source_scale[c];
            round_kernel(kernel, std::clamp(missing, -kMostFeedback, kMostFeedback), rounded);
            missing = 0;
            for (std::size_t i = 0; i < size; ++i) {
                out.weights[k + 1 - size + i] = static_cast<std::int8_t>(rounded[i]);
                missing += kernel[i] - rounded[i];
            }
            const auto factor = static_cast<float>(missing / source_scale[c]);
            for (std::size_t n = 0; n < left.size(); ++n) left[n] += factor * seen[n];
            kernel.clear();
        });
        return out;
    }

    /// What rounding the weights takes away from the mean of the accumulator, per channel, less what the operands have
    /// in excess. Activations have means far from zero (squares are positive), so this is the larger part of the error;
    /// the bias gives it back.
    std::vector<double> mean_error(const std::vector<ValueScale>& values, const LayerWeights& out) const {
        std::vector<double> error(channels_, 0.0);
        for (std::size_t t = 0; t < layer_.terms.size(); ++t) {
            const FloatTerm& term = layer_.terms[t];
            const auto source = static_cast<std::size_t>(term.source);
            const std::vector<double> ratio = ratios(term), scale = scaled_units(term, values[source].unit);
            const std::vector<ChannelStatistics>& statistics =
                source == 0 ? calibration_.input : calibration_.layers[source - 1];
            const Coverage cover = coverage(network_, layer_, term);
            const bool scaled = term.kind == TermKind::kScale;
            for_each_weight(term, channels_, [&](std::size_t o, std::size_t c, std::size_t k) {
                if (constant(o)) return;
                const double integer = scaled ? out.terms[t].scale[k]
                                              : static_cast<double>(out.terms[t].multiplier) * out.terms[t].weights[k];
                const double rounding = term.weights[k] * scale[c] / unit(o) - integer;
                error[o] += (rounding * statistics[c].mean / scale[c] - integer * values[source].excess[c] / ratio[c]) *
                            cover.sum * (scaled ? 1 : cover.seen[k % cover.seen.size()]);
            });
        }
        return error;
    }

    void quantise_activation(LayerWeights& out, std::vector<double>& shift, std::vector<double>& excess,
                             const std::vector<double>& correction) const {
        const auto bias_quarter = modulus_ / 4;
        const double most_bias = 2 * static_cast<double>(bias_quarter);
        std::vector<std::uint32_t> moduli;  // of what the layer activates
        if (layer_.activation) moduli = architecture_.channel_moduli(static_cast<int>(index_) + 1);
        const double steps = modulus_ / std::ldexp(1.0, m_);  // accumulator units per unit of X
        const auto bounded = [&](double value, double limit, const char* what) {
            if (!(std::abs(value) < limit))
                fail(
                    fmt::format("{} is {:.1f} times too large for T. Use a T of more bits or fewer share bits, or "
                                "train with a larger quadratic coefficient",
                                what, std::abs(value) / limit));
            return static_cast<std::int32_t>(std::round(value));
        };
        for (std::size_t o = 0; o < channels_; ++o) {
            Integers of{.bias = constant(o) ? 0 : layer_.bias[o] / unit(o) + correction[o]};
            if (layer_.quadratic())
                square(*layer_.quadratic(), o, of);
            else if (layer_.sine())
                sine(*layer_.sine(), o, of);
            if (!constant(o)) of.bias += of.shift * steps;
            if (layer_.sine())  // what is whole periods away is the same
                of.bias = std::clamp(std::remainder(of.bias, modulus_), 1 - most_bias, most_bias - 1);
            out.bias.push_back(bounded(of.bias, most_bias, "a bias"));
            shift.push_back(of.shift);
            out.x_scale.push_back(delta_[o]);
            if (!layer_.activation) continue;
            const std::uint32_t whole_quarter = moduli[o] / 4;
            const auto quarter = static_cast<double>(whole_quarter);
            if (layer_.quadratic())
                out.kappa.push_back(bounded(of.kappa, quarter, "a linear coefficient of the activation"));
            out.offset.push_back(bounded(of.offset, quarter, "a constant of the activation"));
            out.y_scale.push_back(of.y_scale);
            excess.push_back(out.offset.back() - of.offset +
                             (layer_.quadratic() && !constant(o) ? kRoundingVariance : 0));
            const double x = static_cast<double>(model::share_limit(m_));
            const double largest = layer_.sine() ? amplitude_ * (amplitude_ + 2.0) : x * x + std::abs(of.kappa) * x;
            bounded(largest + std::abs(of.offset), 2 * quarter, "an activation");
        }
    }

    /// What a channel's curve comes to, in units of its integers.
    struct Integers {
        double bias = 0, shift = 0, kappa = 0, offset = 0, y_scale = kTinyScale;
    };

    void square(const Quadratic& poly, std::size_t o, Integers& out) const {
        const double a = poly.a[o], c = poly.c[o];
        if (constant(o)) {
            if (c == 0) return;
            out.y_scale = std::abs(c) / kConstantUnits;
            out.offset = c / out.y_scale;
            return;
        }
        const double exact = poly.b[o] / (a * delta_[o]);
        out.kappa = std::round(exact);
        out.shift = (exact - out.kappa) / 2;
        out.y_scale = a * delta_[o] * delta_[o];
        out.offset = out.shift * (out.shift - exact) + c / out.y_scale;
    }

    /// The phase is a shift of X, of any size. What is constant is as large as a sine, whose rounding stays beside it.
    void sine(const Sine& curve, std::size_t o, Integers& out) const {
        const double square = static_cast<double>(amplitude_) * amplitude_;
        if (constant(o)) {
            const double value = value_at(curve, o, 0);
            if (value == 0) return;
            out.y_scale = std::abs(value) / square;
            out.offset = value / out.y_scale;
            return;
        }
        out.shift = curve.phase[o] / (2 * std::numbers::pi) * std::ldexp(1.0, m_);
        out.y_scale = curve.amplitude[o] / square;
        out.offset = curve.constant[o] / out.y_scale;
    }

    void check_noise(const model::Layer& public_layer, const LayerWeights& out) const {
        const double noise = scheme::phase_noise(packing::weight_energy(public_layer, out), model::kMaxUploadBits, m_);
        if (noise > scheme::phase_noise_limit(m_))
            throw NoiseError(
                ErrorKind::kRange,
                fmt::format("{}: the noise of its ciphertexts is {:.2f} times what m allows, because its operands are "
                            "small integers beside "
                            "its range. Use fewer bits of T, or train with values of x nearer to each other",
                            place(), noise / scheme::phase_noise_limit(m_)));
    }

    const Network& network_;
    const FloatLayer& layer_;
    std::size_t index_;
    const Calibration& calibration_;
    const LayerRange& range_;
    const model::Architecture& architecture_;
    std::uint32_t modulus_;  // T_1
    int m_;
    int amplitude_;  // S of a sine
    std::size_t channels_;
    std::vector<double> delta_;        // per channel
    std::vector<double> multipliers_;  // per term
};

/// Largest weight on a pixel if one integer step were a pixel value of one.
double largest_on_pixels(const Network& network, const Calibration& calibration, const std::vector<LayerRange>& ranges,
                         const Precision& precision, const model::Architecture& architecture) {
    double most = 0;
    const std::vector<double> one(static_cast<std::size_t>(network.input.channels), 1.0);
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
        const LayerQuantiser layer(network, i, calibration, ranges[i], architecture, precision.share_bits[i],
                                   precision.amplitude[i]);
        for (const FloatTerm& term : network.layers[i].terms)
            if (term.source == 0 && term.kind == TermKind::kConvolution)
                for (double weight : layer.largest(term, one)) most = std::max(most, weight);
    }
    return most;
}

}  // namespace

Quantised quantise(const Network& network, const Calibration& calibration, const std::vector<LayerRange>& ranges,
                   double pixel_bound, const Precision& precision, const model::SlotChoice& slots) {
    Quantised result;
    result.architecture = skeleton(network);
    model::Architecture& a = result.architecture;
    a.slots = slots;
    a.plain_bits = precision.plain_bits;
    for (std::size_t i = 0; i < network.layers.size(); ++i) a.layers[i].amplitude = precision.amplitude[i];
    a.input_scale = choose_input_scale(largest_on_pixels(network, calibration, ranges, precision, a), pixel_bound);
    a.input_limit = static_cast<std::int32_t>(std::ceil(pixel_bound / a.input_scale));

    const auto inputs = static_cast<std::size_t>(network.input.channels);
    std::vector<ValueScale> values{{std::vector<double>(inputs, a.input_scale), std::vector<double>(inputs, 0.0)}};
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
        int m = precision.share_bits[i];
        LayerWeights weights;
        std::vector<double> shift, excess;
        for (;; --m) {
            try {
                weights = {};
                shift.clear();
                excess.clear();
                LayerQuantiser(network, i, calibration, ranges[i], a, m, precision.amplitude[i])
                    .run(a.layers[i], values, weights, shift, excess);
                break;
            } catch (const NoiseError&) {
                // Where the noise of a layer's ciphertexts is too large for m bits, its operands do not carry as many:
                // it gets fewer.
                if (m <= kLeastShareBits) throw;
            }
        }
        a.layers[i].share_bits = m;
        values.push_back({weights.y_scale, std::move(excess)});
        if (!a.layers[i].activation) a.output_scale = weights.x_scale[0];
        result.weights.layers.push_back(std::move(weights));
        result.shift.push_back(std::move(shift));
    }
    packing::choose_upload_bits(result.architecture, result.weights);
    return result;
}

}  // namespace flash::compiler
