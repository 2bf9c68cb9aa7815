#include "compiler/noise.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "packing/plan.h"

namespace flash::compiler {
namespace {

constexpr double kErrorVariance = 10.5;         // of the encryption error, centred binomial with 21 pairs of bits
constexpr double kRoundingVariance = 1.0 / 12;  // of rounding to an integer
constexpr double kSigmas = 10;                  // beyond this, a coefficient is wrong with probability below 2^-75

double dropped(int bits) { return bits > 0 ? std::ldexp(1.0, 2 * bits) / 12 : 0; }

const scheme::DirectRing& ring_of(const packing::Grid& grid) {
    return scheme::direct_ring(static_cast<std::size_t>(grid.degree));
}

}  // namespace

std::vector<double> channel_energies(const model::Layer& layer, const model::LayerWeights& weights) {
    std::vector<double> energy(static_cast<std::size_t>(layer.output.channels), 0.0);
    for (std::size_t t = 0; t < layer.terms.size(); ++t) {
        const model::TermWeights& term = weights.terms[t];
        // Up to k weights multiply the same noise: (w_1 + ... + w_k)^2 <= k (w_1^2 + ... + w_k^2).
        const auto k = static_cast<double>(std::ranges::count_if(
            layer.terms, [&](const model::Term& other) { return packing::same_stream(other, layer.terms[t]); }));
        const std::size_t per_channel = term.weights.size() / energy.size();
        for (std::size_t i = 0; i < term.weights.size(); ++i) {
            const double w = static_cast<double>(term.multiplier) * term.weights[i];
            energy[i / per_channel] += k * w * w;
        }
        for (std::size_t o = 0; o < term.scale.size(); ++o)
            energy[o] += k * static_cast<double>(term.scale[o]) * term.scale[o];
    }
    return energy;
}

double weight_energy(const model::Layer& layer, const model::LayerWeights& weights) {
    return packed_energy(channel_energies(layer, weights), 1);
}

double packed_energy(const std::vector<double>& channels, int channels_per_output) {
    const auto size = static_cast<std::size_t>(channels_per_output);
    double largest = 0;
    for (std::size_t first = 0; first < channels.size(); first += size) {
        double sum = 0;
        for (std::size_t c = first; c < std::min(first + size, channels.size()); ++c) sum += channels[c];
        largest = std::max(largest, sum);
    }
    return largest;
}

Energies weight_energies(const model::Architecture& architecture, const model::SecretWeights& weights) {
    Energies energies;
    for (std::size_t i = 0; i < architecture.layers.size(); ++i)
        energies.push_back(channel_energies(architecture.layers[i], weights.layers[i]));
    return energies;
}

double phase_noise(double weight_energy, int upload_bits, int share_bits, const scheme::DirectRing& ring) {
    // Each input ciphertext brings its error and the rounding of the client's share, both in units of 2^32 / q, and
    // what was dropped of it; the server rounds its share to whole bytes, the ones that its product then leaves out.
    // Re-randomisation adds e_pk u + e1 s; the dropped bits of a'' are multiplied by s, those of b'' are not.
    const double unit = std::ldexp(1.0, 2 * ring.low_bits());  // squared
    const double ternary_weight =
        static_cast<double>(ring.degree) * 2 / 3;  // expected squared norm of a ternary polynomial
    const int dropped_bits = upload_bits < ring.modulus_bits ? 32 - upload_bits : 0;
    const double upload_variance = unit * (kErrorVariance + kRoundingVariance) + dropped(dropped_bits) +
                                   std::max(kRoundingVariance, dropped(dropped_bits / 8 * 8));
    const double variance = weight_energy * upload_variance + 2 * unit * kErrorVariance * ternary_weight +
                            dropped(32 - scheme::response_a_bits(share_bits)) * ternary_weight +
                            dropped(32 - scheme::response_b_bits(share_bits));
    return kSigmas * std::sqrt(variance);
}

double phase_noise_limit(int share_bits) { return std::ldexp(0.5, 32 - share_bits); }

int least_upload_bits(double weight_energy, int share_bits, const scheme::DirectRing& ring) {
    int bits = model::kMinUploadBits;
    while (bits < ring.modulus_bits &&
           phase_noise(weight_energy, bits, share_bits, ring) > phase_noise_limit(share_bits))
        ++bits;
    return bits;
}

void choose_upload_bits(model::Architecture& architecture, const Energies& energies) {
    std::vector<model::Layer>& layers = architecture.layers;
    std::vector<int> bits(layers.size(),
                          model::kMinUploadBits);  // of the values that some layer reads: the result is not uploaded
    const auto set = [&] {
        architecture.input_upload_bits = bits[0];
        for (std::size_t i = 0; i + 1 < layers.size(); ++i) layers[i].upload_bits = bits[i + 1];
    };
    set();
    // Where no packing is named, it depends on the bits as well: they grow until they are enough for the packing that
    // they lead to.
    for (bool enough = false; !enough;) {
        enough = true;
        const std::vector<packing::Grid> grids = packing::layer_grids(architecture);
        for (std::size_t i = 0; i < layers.size(); ++i) {
            const int least = least_upload_bits(packed_energy(energies[i], grids[i].channels_per_output),
                                                layers[i].share_bits, ring_of(grids[i]));
            for (const model::Term& term : layers[i].terms) {
                int& value = bits[static_cast<std::size_t>(term.source)];
                enough = enough && value >= least;
                value = std::max(value, least);
            }
        }
        set();
    }
}

void choose_upload_bits(model::Architecture& architecture, model::SecretWeights& weights) {
    const Energies energies = weight_energies(architecture, weights);
    choose_upload_bits(architecture, energies);
    const std::vector<packing::Grid> grids = packing::layer_grids(architecture);
    for (std::size_t i = 0; i < architecture.layers.size(); ++i) {
        const model::Layer& layer = architecture.layers[i];
        int fewest = model::kMaxUploadBits;
        for (const model::Term& term : layer.terms) fewest = std::min(fewest, architecture.upload_bits(term.source));
        weights.layers[i].noise_bits = std::log2(phase_noise(packed_energy(energies[i], grids[i].channels_per_output),
                                                             fewest, layer.share_bits, ring_of(grids[i])));
    }
}

}  // namespace flash::compiler
