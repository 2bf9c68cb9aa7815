#include "compiler/noise.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "scheme/parameters.h"

namespace flash::compiler {
namespace {

constexpr double kRingDimension = 2048;
constexpr double kErrorVariance = 10.5;          // of the encryption error, centred binomial with 21 pairs of bits
constexpr double kRoundingVariance = 1.0 / 12;   // of rounding q/T * share to an integer
constexpr double kTernaryWeight = kRingDimension * 2 / 3;  // expected squared norm of a ternary polynomial
constexpr double kSigmas = 10;                   // beyond this, a coefficient is wrong with probability below 2^-75

double dropped(int bits) { return bits > 0 ? std::ldexp(1.0, 2 * bits) / 12 : 0; }

}  // namespace

double weight_energy(const model::LayerWeights& weights, int channels) {
    std::vector<double> energy(static_cast<std::size_t>(channels), 0.0);
    for (const model::TermWeights& term : weights.terms) {
        const std::size_t per_channel = term.weights.size() / energy.size();
        for (std::size_t k = 0; k < term.weights.size(); ++k) {
            const double w = static_cast<double>(term.multiplier) * term.weights[k];
            energy[k / per_channel] += w * w;
        }
        for (std::size_t o = 0; o < term.scale.size(); ++o) energy[o] += static_cast<double>(term.scale[o]) * term.scale[o];
    }
    return *std::ranges::max_element(energy);
}

double phase_noise(double weight_energy, int upload_bits, int share_bits) {
    // Each input ciphertext brings its error, the rounding of the client's share and what was dropped of it; the server rounds its share to
    // whole bytes, the ones that its product then leaves out. Re-randomisation adds e_pk u + e1 s; the dropped bits of a'' are multiplied
    // by s, those of b'' are not.
    const int dropped_bits = 32 - upload_bits;
    const double upload_variance = kErrorVariance + kRoundingVariance + dropped(dropped_bits) + std::max(kRoundingVariance, dropped(dropped_bits / 8 * 8));
    const double variance = weight_energy * upload_variance + 2 * kErrorVariance * kTernaryWeight +
                            dropped(32 - scheme::response_a_bits(share_bits)) * kTernaryWeight +
                            dropped(32 - scheme::response_b_bits(share_bits));
    return kSigmas * std::sqrt(variance);
}

double phase_noise_limit(int share_bits) { return std::ldexp(0.5, 32 - share_bits); }

int least_upload_bits(double weight_energy, int share_bits) {
    int bits = model::kMinUploadBits;
    while (bits < model::kMaxUploadBits && phase_noise(weight_energy, bits, share_bits) > phase_noise_limit(share_bits)) ++bits;
    return bits;
}

void choose_upload_bits(model::Architecture& architecture, model::SecretWeights& weights) {
    std::vector<model::Layer>& layers = architecture.layers;
    std::vector<int> bits(layers.size(), model::kMinUploadBits);  // of the values that some layer reads: the result is not uploaded
    std::vector<double> energy;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        energy.push_back(weight_energy(weights.layers[i], layers[i].output.channels));
        for (const model::Term& term : layers[i].terms) {
            int& value = bits[static_cast<std::size_t>(term.source)];
            value = std::max(value, least_upload_bits(energy[i], layers[i].share_bits));
        }
    }
    architecture.input_upload_bits = bits[0];
    for (std::size_t i = 0; i + 1 < layers.size(); ++i) layers[i].upload_bits = bits[i + 1];
    for (std::size_t i = 0; i < layers.size(); ++i) {
        int fewest = model::kMaxUploadBits;
        for (const model::Term& term : layers[i].terms) fewest = std::min(fewest, architecture.upload_bits(term.source));
        weights.layers[i].noise_bits = std::log2(phase_noise(energy[i], fewest, layers[i].share_bits));
    }
}

}  // namespace flash::compiler
