#include "compiler/error_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "compiler/term_walk.h"
#include "model/model.h"
#include "scheme/direct_noise.h"

namespace flash::compiler {
namespace {

constexpr double kFill = 0.95;  // of a bound on Y that a prediction may use
constexpr double kNear = 0.75;  // correlation of activations in a convolution's window
constexpr double kFar = 0.5;    // in a pooling window

double square(double x) { return x * x; }

/// Share of an accumulator's range that X can hold: unit_o is 4 R_o / T times this.
double stretch(int share_bits, bool periodic) {
    return std::ldexp(1.0, share_bits - 2) / positions(share_bits, periodic);
}

double mix(double share, double a, double b) { return share * a + (1 - share) * b; }

/// How much of the error of rounded weights is left where channels vary together, if each weight takes back what those
/// before it did wrong on some samples: tried with random weights, on other samples. unit: what one integer of a
/// channel is worth.
double feedback_gain(const Samples& samples, const std::vector<double>& unit) {
    constexpr int kRows = 16;
    const Samples fitted = samples.half(0), tested = samples.half(1);
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> uniform(-0.5, 0.5);
    double with = 0, without = 0;
    for (int row = 0; row < kRows; ++row) {
        std::vector<float> left(fitted.count()), feedback(tested.count()), plain(tested.count());
        for (std::size_t c = 0; c < unit.size(); ++c) {
            if (unit[c] == 0) continue;
            const double exact = uniform(random), moved = std::clamp(fitted.feedback(c, left) * unit[c], -1.0, 1.0);
            const auto error = static_cast<float>((exact - std::round(exact + moved)) / unit[c]),
                       direct = static_cast<float>(exact / unit[c]);
            for (std::size_t n = 0; n < left.size(); ++n) left[n] += error * fitted.of(c)[n];
            for (std::size_t n = 0; n < plain.size(); ++n) {
                feedback[n] += error * tested.of(c)[n];
                plain[n] += direct * tested.of(c)[n];
            }
        }
        for (std::size_t n = 0; n < plain.size(); ++n) {
            with += square(static_cast<double>(feedback[n]));
            without += square(static_cast<double>(plain[n]));
        }
    }
    return without > 0 ? with / without : 1;
}

double excess(double value, double bound) { return value > bound ? std::log2(value / bound) : 0; }

}  // namespace

ErrorModel::ErrorModel(const Network& network, const Calibration& calibration,
                       const std::vector<std::vector<Worth>>& worth, const std::vector<LayerRange>& ranges,
                       double pixel_bound, const model::SlotChoice& slots)
    : slots_(slots),
      signal_(calibration.logit_power()),
      pixel_bound_(pixel_bound) {
    for (std::size_t l = 0; l < network.layers.size(); ++l) {
        const FloatLayer& from = network.layers[l];
        const std::vector<double>& range = ranges[l].channels;
        const std::size_t channels = range.size();
        Layer& layer = layers_.emplace_back();
        layer.activation = from.activation.has_value();
        layer.periodic = from.sine() != nullptr;
        for (std::size_t o = 0; o < channels; ++o) {
            layer.rounding += worth[l][o].white * square(range[o]) / 6;
            if (const Quadratic* poly = from.quadratic(); poly && poly->a[o] != 0) {
                const double a = std::abs(poly->a[o]);
                layer.kappa = std::max(layer.kappa, std::abs(poly->b[o]) / (a * range[o]));
                layer.offset = std::max(layer.offset, std::abs(poly->c[o]) / (a * square(range[o])));
            }
            if (const Sine* sine = from.sine(); sine && !constant_in(*sine, o)) {
                layer.factors += worth[l][o].output * square(sine->amplitude[o]) / 6;
                layer.offset = std::max(layer.offset, std::abs(sine->constant[o]) / sine->amplitude[o]);
            }
        }
        for (const FloatTerm& term : from.terms) {
            const auto source = static_cast<std::size_t>(term.source);
            const Coverage cover = coverage(network, from, term);
            std::vector<double> unit(static_cast<std::size_t>(network.value_shape(term.source).channels),
                                     1.0);  // what Y is worth where m gives X one position, and S is one
            std::vector<double> smooth(unit.size()), common(unit.size());  // power of pooled Y
            const double correlated = mix(kFar, square(cover.sum), cover.independent);
            for (std::size_t c = 0; c < unit.size(); ++c) {
                const ChannelStatistics& y = source > 0 ? calibration.layers[source - 1][c] : calibration.input[c];
                if (source > 0) {
                    const FloatLayer& read = network.layers[source - 1];
                    if (const Sine* sine = read.sine())
                        unit[c] = constant_in(*sine, c) ? std::abs(value_at(*sine, c, 0)) : sine->amplitude[c];
                    else
                        unit[c] = std::abs(read.quadratic()->a[c]) * square(ranges[source - 1].channels[c]);
                }
                if (unit[c] == 0) continue;
                smooth[c] = y.variance * correlated / square(unit[c]);
                common[c] = y.common * square(cover.sum) / square(unit[c]);
            }
            const double gain =
                term.kind == model::TermKind::kScale ? 1 : feedback_gain(calibration.samples[source], unit);
            Term out;
            out.source = term.source;
            out.scale = term.kind == model::TermKind::kScale;
            std::vector<double> energy(channels, 0.0);
            const std::size_t kernel = cover.seen.size();
            const auto weights = static_cast<double>(out.scale ? 1 : kernel);
            for_each_weight(term, channels, [&](std::size_t o, std::size_t c, std::size_t k) {
                const double integer = std::abs(term.weights[k]) * unit[c] / range[o];
                out.peak = std::max(out.peak, integer);
                energy[o] += integer * integer;
                if (!out.scale && (k + 1) % kernel != 0) return;
                // What a window has in common sees the sum of a kernel's weights, which is rounded as one, with
                // feedback.
                out.rounding += square(range[o]) * (worth[l][o].smooth * smooth[c] * mix(kNear, gain, weights) +
                                                    worth[l][o].common * common[c] * gain);
            });
            out.energy = *std::ranges::max_element(energy);
            out.weights = static_cast<double>(term.weights.size()) / static_cast<double>(channels);
            layer.terms.push_back(out);
        }
    }
}

double ErrorModel::modulus(const Precision& precision) const {
    return model::plain_moduli(slots_, precision.plain_bits).front();
}

double ErrorModel::least_modulus(const Precision& precision) const {
    return model::plain_moduli(slots_, precision.plain_bits).back();
}

double ErrorModel::input_scale(const Precision& precision) const {
    double most = 0;
    for (std::size_t l = 0; l < layers_.size(); ++l)
        for (const Term& term : layers_[l].terms)
            if (term.source == 0 && !term.scale)
                most = std::max(
                    most, term.peak * modulus(precision) / (4 * stretch(precision.share_bits[l], layers_[l].periodic)));
    return choose_input_scale(most, pixel_bound_);
}

double ErrorModel::weight_scale(const Precision& precision, std::size_t layer, const Term& term) const {
    const double unit = 4 * stretch(precision.share_bits[layer], layers_[layer].periodic) / modulus(precision);
    if (term.source == 0) return input_scale(precision) / unit;
    const std::size_t source = static_cast<std::size_t>(term.source) - 1;
    return 1 / (unit * square(layers_[source].periodic ? precision.amplitude[source]
                                                       : positions(precision.share_bits[source])));
}

double ErrorModel::multiplier(double scale, const Term& term) const {
    return term.scale ? 1 : choose_multiplier(scale * term.peak);
}

std::vector<double> ErrorModel::layer_errors(const Precision& precision) const {
    std::vector<double> errors;
    for (std::size_t l = 0; l < layers_.size(); ++l) {
        const int m = precision.share_bits[l];
        double error = layers_[l].rounding / square(positions(m, layers_[l].periodic));
        if (layers_[l].periodic) error += layers_[l].factors / square(precision.amplitude[l]);
        for (const Term& term : layers_[l].terms) {
            const double scale = weight_scale(precision, l, term);
            error += term.rounding * square(multiplier(scale, term) / scale) / 12;
        }
        errors.push_back(error);
    }
    return errors;
}

double ErrorModel::error(const Precision& precision) const {
    const std::vector<double> errors = layer_errors(precision);
    return std::accumulate(errors.begin(), errors.end(), 0.0);
}

double ErrorModel::snr_db(double error) const {
    return signal_ > 0 && error > 0 ? 10 * std::log10(signal_ / error) : 0;
}

double ErrorModel::error_of(double snr_db) const { return signal_ / std::pow(10, snr_db / 10); }

double ErrorModel::weight_energy(const Precision& precision, std::size_t layer) const {
    double energy = 0;
    for (const Term& term : layers_[layer].terms) {
        const double scale = weight_scale(precision, layer, term), g = multiplier(scale, term);
        energy += term.energy * square(scale) + term.weights * square(g) / 12;
    }
    return energy;
}

double ErrorModel::misfit(const Precision& precision) const {
    const double half = kFill * least_modulus(precision) / 2;
    double sum = 0;
    for (std::size_t l = 0; l < layers_.size(); ++l) {
        const Layer& layer = layers_[l];
        const int m = precision.share_bits[l];
        const double pos = positions(m);
        if (layer.periodic) {
            const double s = precision.amplitude[l], largest = s * (s + 2);
            sum += excess(largest + s * s * layer.offset, half) + excess(s * s * layer.offset, half / 2) +
                   excess(largest, half / 2);
        } else if (layer.activation)
            sum += excess(pos * pos * (1 + layer.kappa + layer.offset), half) + excess(pos * layer.kappa, half / 2) +
                   excess(pos * pos * layer.offset, half / 2);
        for (const Term& term : layer.terms) {
            const double largest = weight_scale(precision, l, term) * term.peak;
            sum += excess(term.scale ? largest : largest / kMaxInt8, model::kMaxMultiplier);
        }
        sum += excess(scheme::phase_noise(weight_energy(precision, l), model::kMaxUploadBits, m),
                      scheme::phase_noise_limit(m));
    }
    return sum;
}

std::vector<int> ErrorModel::sources(std::size_t layer) const {
    std::vector<int> result;
    for (const Term& term : layers_[layer].terms) result.push_back(term.source);
    return result;
}

}  // namespace flash::compiler
