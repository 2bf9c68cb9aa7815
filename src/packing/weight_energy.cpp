#include "packing/weight_energy.h"

#include <algorithm>

#include "packing/plan.h"

namespace flash::packing {

std::vector<double> channel_energies(const model::Layer& layer, const model::LayerWeights& weights) {
    std::vector<double> energy(static_cast<std::size_t>(layer.output.channels), 0.0);
    for (std::size_t t = 0; t < layer.terms.size(); ++t) {
        const model::TermWeights& term = weights.terms[t];
        // Up to k weights multiply the same noise: (w_1 + ... + w_k)^2 <= k (w_1^2 + ... + w_k^2).
        const auto k = static_cast<double>(std::ranges::count_if(
            layer.terms, [&](const model::Term& other) { return same_stream(other, layer.terms[t]); }));
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

}  // namespace flash::packing
