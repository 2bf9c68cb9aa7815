// The integers of a layer that multiply ciphertexts: the sum of their squares decides how much noise its results have
// (scheme/direct_noise.h).
#pragma once

#include <vector>

#include "model/model.h"

namespace flash::packing {

/// Sum of the squares of all integers that multiply ciphertexts for one output of a layer, for each of its channels.
/// Within a term no two of them multiply the same coefficient (packing/taps.h); where k terms read the same uploads, up
/// to k do, and theirs count k times.
std::vector<double> channel_energies(const model::Layer& layer, const model::LayerWeights& weights);
/// The largest of them: the noise of a result polynomial that carries one channel.
double weight_energy(const model::Layer& layer, const model::LayerWeights& weights);
/// What brings noise to each result of a polynomial of g2 channels. Every column of the product moves a whole
/// polynomial, and ciphertexts are noisy also where nothing is packed: so the weights of all g2 channels bring noise to
/// every result, not only those of its own channel. The sum over the channels, the largest over the result polynomials.
double packed_energy(const std::vector<double>& channels, int channels_per_output);

/// channel_energies() of each layer.
using Energies = std::vector<std::vector<double>>;
Energies weight_energies(const model::Architecture& architecture, const model::SecretWeights& weights);

}  // namespace flash::packing
