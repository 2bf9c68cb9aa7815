#include "compiler/quantise.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "compiler/noise.h"
#include "model/arithmetic.h"

namespace flash::compiler {
namespace {

using model::LayerWeights;
using model::TermKind;
using model::TermWeights;

constexpr double kMaxInt8 = 127;
constexpr double kMaxStretch = 1.5;     // a channel may use this much less of T/4 where that halves a small multiplier
constexpr double kMinInputLimit = 1 << 10, kMaxInputLimit = 1 << 14;
constexpr double kConstantUnits = 1 << 12;  // Y of a channel whose activation is a constant
constexpr double kBiasRoom = 0.6;           // a bias alone must fit T/2, that is twice the range, whatever the terms take away from it
constexpr double kTinyScale = 1e-30;

constexpr int kLeastShareBits = 7;          // of a layer that has fewer than asked for because of its noise

/// Says that the noise bound is missed; fewer share bits may help.
class NoiseError : public Error {
    using Error::Error;
};

class LayerQuantiser {
public:
    LayerQuantiser(const Network& network, std::size_t index, const Ranges& ranges, const QuantiseOptions& options, int share_bits)
        : network_(network), layer_(network.layers[index]), index_(index), ranges_(ranges), options_(options), m_(share_bits), channels_(static_cast<std::size_t>(layer_.output.channels)) {
        const double whole = ranges.layer(index) > 0 ? ranges.layer(index) : 1.0;
        const double positions = std::ldexp(1.0, m_ - 2) - 3.5;  // the guard bit, rounding by up to one unit, and the shift
        const double margin = std::max(options.margin, ranges.tail(index, options.overflow_rate));
        double largest_bias = 0;
        for (double bias : layer_.bias) largest_bias = std::max(largest_bias, std::abs(bias));
        for (std::size_t o = 0; o < channels_; ++o) {
            const double range = layer_.activation ? std::max(ranges.channels[index][o], options.channel_floor * whole) : whole;
            const double bias = layer_.activation ? std::abs(layer_.bias[o]) : largest_bias;
            delta_.push_back(std::max(margin * range, kBiasRoom * bias) / positions);
        }
    }

    /// What one unit of the accumulator of channel o is worth.
    double unit(std::size_t o) const { return delta_[o] * std::ldexp(1.0, m_) / options_.plain_modulus; }

    /// Channel o's activation does not depend on x: it then computes nothing.
    bool constant(std::size_t o) const { return layer_.activation && layer_.activation->a[o] == 0 && layer_.activation->b[o] == 0; }

    /// Largest |weight| of a convolution term in accumulator units, per output channel.
    std::vector<double> largest(const FloatTerm& term, const std::vector<double>& source_scale) const {
        std::vector<double> result(channels_, 0.0);
        for_each_weight(term, [&](std::size_t o, std::size_t c, std::size_t, double w) {
            result[o] = std::max(result[o], std::abs(w * source_scale[c]) / unit(o));
        }, source_scale.size());
        return result;
    }

    void run(const std::vector<std::vector<double>>& value_scale, LayerWeights& out, std::vector<double>& shift) {
        choose_multipliers(value_scale);
        for (std::size_t t = 0; t < layer_.terms.size(); ++t)
            out.terms.push_back(quantise_term(layer_.terms[t], value_scale[static_cast<std::size_t>(layer_.terms[t].source)], multipliers_[t]));
        quantise_activation(out, shift, mean_error(value_scale, out));
        check_noise(out);
    }

private:
    [[noreturn]] void fail(const std::string& what) const {
        throw Error(ErrorKind::kRange, fmt::format("layer {} ({}) at m = {}, T = {}: {}", index_, layer_.name, m_, options_.plain_modulus, what));
    }

    template <class Body>
    void for_each_weight(const FloatTerm& term, Body&& body, std::size_t in) const {
        const auto groups = static_cast<std::size_t>(term.groups);
        const std::size_t group_in = in / groups, group_out = channels_ / groups, kernel = term.weights.size() / (channels_ * group_in);
        std::size_t k = 0;
        for (std::size_t o = 0; o < channels_; ++o) {
            const std::size_t first = o / group_out * group_in;
            for (std::size_t c = first; c < first + group_in; ++c)
                for (std::size_t i = 0; i < kernel; ++i, ++k) body(o, c, k, term.weights[k]);
        }
    }

    /// One multiplier per convolution term, so that every weight fits int8; stretches delta of single channels where that
    /// saves a step of a small multiplier.
    void choose_multipliers(const std::vector<std::vector<double>>& value_scale) {
        std::vector<double> stretch(channels_, 1.0);
        for (const FloatTerm& term : layer_.terms) {
            double multiplier = 1;
            if (term.kind == TermKind::kConvolution) {
                const std::vector<double> per_channel = largest(term, value_scale[static_cast<std::size_t>(term.source)]);
                double most = 0;
                for (std::size_t o = 0; o < channels_; ++o)
                    if (!constant(o)) most = std::max(most, per_channel[o]);
                const double plain = std::max(1.0, std::ceil(most / kMaxInt8 - 1e-9)), stretched = std::max(1.0, std::ceil(most / kMaxInt8 / kMaxStretch));
                multiplier = plain <= 3 ? stretched : plain;
                if (!(multiplier <= model::kMaxMultiplier))
                    fail("its weights are too large for their accumulator. Use fewer bits of T, or check the calibration images");
                for (std::size_t o = 0; o < channels_; ++o)
                    if (!constant(o)) stretch[o] = std::max(stretch[o], per_channel[o] / (kMaxInt8 * multiplier));
            }
            multipliers_.push_back(multiplier);
        }
        if (!layer_.activation) std::ranges::fill(stretch, *std::ranges::max_element(stretch));
        for (std::size_t o = 0; o < channels_; ++o) delta_[o] *= stretch[o];
    }

    TermWeights quantise_term(const FloatTerm& term, const std::vector<double>& source_scale, double multiplier) const {
        TermWeights out;
        out.multiplier = static_cast<std::int32_t>(multiplier);
        if (term.kind == TermKind::kScale) {
            for (std::size_t o = 0; o < channels_; ++o) {
                const double scale = constant(o) ? 0 : std::round(term.weights[o] * source_scale[o] / unit(o));
                if (!(std::abs(scale) <= model::kMaxMultiplier))
                    fail(fmt::format("its shortcut needs a scale of {:.3g} bits; 24 are allowed. Use fewer bits of T", std::log2(std::abs(scale))));
                out.scale.push_back(static_cast<std::int32_t>(scale));
            }
            return out;
        }
        out.weights.resize(term.weights.size());
        for_each_weight(term, [&](std::size_t o, std::size_t c, std::size_t k, double w) {
            const double value = constant(o) ? 0 : std::round(w * source_scale[c] / unit(o) / multiplier);
            out.weights[k] = static_cast<std::int8_t>(std::clamp(value, -kMaxInt8, kMaxInt8));
        }, source_scale.size());
        return out;
    }

    /// What rounding the weights takes away from the mean of the accumulator, per channel. Activations have means far from
    /// zero (squares are positive), so this is the larger part of the error; the bias gives it back.
    std::vector<double> mean_error(const std::vector<std::vector<double>>& value_scale, const LayerWeights& out) const {
        std::vector<double> error(channels_, 0.0);
        for (std::size_t t = 0; t < layer_.terms.size(); ++t) {
            const FloatTerm& term = layer_.terms[t];
            const std::vector<double>& scale = value_scale[static_cast<std::size_t>(term.source)];
            const std::vector<double>& mean = ranges_.means[static_cast<std::size_t>(term.source)];
            const model::Shape pooled = network_.pooled_shape(term);
            double area = 1;  // the pooled mean: the window's size, less what hangs over the border
            if (term.pool) {
                const model::Shape& shape = network_.value_shape(term.source);
                if (term.pool->level)
                    area = static_cast<double>(model::pool_levels(shape, *term.pool).unit);
                else
                    area = inside(term.pool->kernel_h, term.pool->stride_h, term.pool->pad_top, shape.height, pooled.height) *
                           inside(term.pool->kernel_w, term.pool->stride_w, term.pool->pad_left, shape.width, pooled.width);
            }
            const auto width = static_cast<std::size_t>(term.window.kernel_w), kernel = width * static_cast<std::size_t>(term.window.kernel_h);
            std::vector<double> seen(kernel);  // how much of a channel each kernel position sees
            for (std::size_t i = 0; i < kernel; ++i)
                seen[i] = share_inside(static_cast<int>(i / width) * term.window.dilation_h, term.window.stride_h, term.window.pad_top, pooled.height, layer_.output.height) *
                          share_inside(static_cast<int>(i % width) * term.window.dilation_w, term.window.stride_w, term.window.pad_left, pooled.width, layer_.output.width);
            for_each_weight(term, [&](std::size_t o, std::size_t c, std::size_t k, double w) {
                if (constant(o)) return;
                const bool scaled = term.kind == TermKind::kScale;
                if (scaled) c = o;
                const std::size_t i = scaled ? 0 : k % kernel;
                const double integer = scaled ? out.terms[t].scale[o] : static_cast<double>(out.terms[t].multiplier) * out.terms[t].weights[k];
                error[o] += (w * scale[c] / unit(o) - integer) * mean[c] / scale[c] * area * seen[i];
            }, scaled_inputs(term, scale));
        }
        return error;
    }

    std::size_t scaled_inputs(const FloatTerm& term, const std::vector<double>& scale) const { return term.kind == TermKind::kScale ? 1 : scale.size(); }

    /// Of the output positions, the share at which the pixel `at` pixels into the kernel lies within the map.
    static double share_inside(int at, int stride, int pad, int extent, int outputs) {
        int count = 0;
        for (int y = 0; y < outputs; ++y) count += y * stride - pad + at >= 0 && y * stride - pad + at < extent;
        return static_cast<double>(count) / outputs;
    }

    static double inside(int kernel, int stride, int pad, int extent, int outputs) {
        double sum = 0;
        for (int at = 0; at < kernel; ++at) sum += share_inside(at, stride, pad, extent, outputs);
        return sum;
    }

    void quantise_activation(LayerWeights& out, std::vector<double>& shift, const std::vector<double>& correction) const {
        const double quarter = options_.plain_modulus / 4;
        const double steps = options_.plain_modulus / std::ldexp(1.0, m_);  // accumulator units per unit of X
        const auto bounded = [&](double value, double limit, const char* what) {
            if (!(std::abs(value) < limit))
                fail(fmt::format("{} is {:.1f} times too large for T. Use a T of more bits, or train with a larger quadratic coefficient", what, std::abs(value) / limit));
            return static_cast<std::int32_t>(std::round(value));
        };
        for (std::size_t o = 0; o < channels_; ++o) {
            double moved = 0, kappa = 0, offset = 0, y_scale = kTinyScale;
            if (constant(o)) {
                if (layer_.activation->c[o] != 0) {
                    y_scale = std::abs(layer_.activation->c[o]) / kConstantUnits;
                    offset = layer_.activation->c[o] / y_scale;
                }
            } else if (layer_.activation) {
                const double a = layer_.activation->a[o], b = layer_.activation->b[o], c = layer_.activation->c[o];
                const double exact = b / (a * delta_[o]);
                kappa = std::round(exact);
                moved = (exact - kappa) / 2;
                y_scale = a * delta_[o] * delta_[o];
                offset = moved * (moved - exact) + c / y_scale;
            }
            out.bias.push_back(constant(o) ? 0 : bounded(layer_.bias[o] / unit(o) + moved * steps + correction[o], 2 * quarter, "a bias"));
            shift.push_back(moved);
            out.x_scale.push_back(delta_[o]);
            if (!layer_.activation) continue;
            out.kappa.push_back(bounded(kappa, quarter, "a linear coefficient of the activation"));
            out.offset.push_back(bounded(offset, quarter, "a constant of the activation"));
            out.y_scale.push_back(y_scale);
            const double x = static_cast<double>(model::share_limit(m_));
            bounded(x * x + std::abs(kappa) * x + std::abs(offset), 2 * quarter, "an activation");
        }
    }

    void check_noise(LayerWeights& out) const {
        const double noise = phase_noise(weight_energy(out, layer_.output.channels), model::kMaxUploadBits, m_);
        if (noise > phase_noise_limit(m_))
            throw NoiseError(ErrorKind::kRange, fmt::format("layer {} ({}) at m = {}, T = {}: the noise of its ciphertexts is {:.2f} times what m allows, because its "
                                                            "operands are small integers. Use more calibration images, or fewer bits of T",
                                                            index_, layer_.name, m_, options_.plain_modulus, noise / phase_noise_limit(m_)));
    }

    const Network& network_;
    const FloatLayer& layer_;
    std::size_t index_;
    const Ranges& ranges_;
    const QuantiseOptions& options_;
    int m_;
    std::size_t channels_;
    std::vector<double> delta_;        // per channel
    std::vector<double> multipliers_;  // per term
};

/// Scale of the integer pixels: so that the layers that read them have int8 weights with a multiplier of one, within limits.
double choose_input_scale(const Network& network, const Ranges& ranges, double bound, const QuantiseOptions& options) {
    double most = 0;  // largest weight on a pixel if one integer step were a pixel value of one
    const std::vector<double> one(static_cast<std::size_t>(network.input.channels), 1.0);
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
        const int m = network.layers[i].activation ? options.share_bits : options.result_bits;
        const LayerQuantiser layer(network, i, ranges, options, m);
        for (const FloatTerm& term : network.layers[i].terms)
            if (term.source == 0 && term.kind == TermKind::kConvolution)
                for (double weight : layer.largest(term, one)) most = std::max(most, weight);
    }
    return std::clamp(most > 0 ? kMaxInt8 / most : 0.0, bound / kMaxInputLimit, bound / kMinInputLimit);
}

}  // namespace

Quantised quantise(const Network& network, const Ranges& ranges, double pixel_bound, const QuantiseOptions& options) {
    Quantised result;
    model::Architecture& a = result.architecture;
    // Calibrated pixels beyond the stated bound come from elsewhere than pictures: leave room for others like them.
    const double bound = std::max({pixel_bound, ranges.input > 1.001 * pixel_bound ? options.margin * ranges.input : 0.0, 1e-6});
    a.plain_modulus = options.plain_modulus;
    a.input = network.input;
    a.input_scale = choose_input_scale(network, ranges, bound, options);
    a.input_limit = static_cast<std::int32_t>(std::ceil(bound / a.input_scale));

    std::vector<std::vector<double>> value_scale{std::vector<double>(static_cast<std::size_t>(network.input.channels), a.input_scale)};
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
        const FloatLayer& layer = network.layers[i];
        int m = layer.activation ? options.share_bits : options.result_bits;
        LayerWeights weights;
        std::vector<double> shift;
        for (;; --m) {
            try {
                weights = {};
                shift.clear();
                LayerQuantiser(network, i, ranges, options, m).run(value_scale, weights, shift);
                break;
            } catch (const NoiseError&) {
                // Where the noise of a layer's ciphertexts is too large for m bits, its operands do not carry as many: it gets fewer.
                if (m <= kLeastShareBits) throw;
            }
        }
        model::Layer& out = a.layers.emplace_back();
        out.name = layer.name;
        for (const FloatTerm& term : layer.terms) out.terms.push_back({term.source, term.pool, term.kind, term.window, term.groups});
        out.output = layer.output;
        out.share_bits = m;
        out.activation = layer.activation.has_value();
        value_scale.push_back(weights.y_scale);
        if (!layer.activation) a.output_scale = weights.x_scale[0];
        result.weights.layers.push_back(std::move(weights));
        result.shift.push_back(std::move(shift));
    }
    choose_upload_bits(result.architecture, result.weights);
    return result;
}

}  // namespace flash::compiler
