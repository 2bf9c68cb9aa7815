// The noise of a linear layer's result, from the parameters of the linear scheme (scheme/parameters.h).
#pragma once

#include <vector>

#include "model/model.h"
#include "scheme/parameters.h"

namespace flash::compiler {

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

/// Ten standard deviations of the phase of one output coefficient, in units of 1 out of 2^32, which stands for q.
///   weight_energy   sum of squares of the integers that multiply ciphertext coefficients, multipliers and scales
///   included: packed_energy() upload_bits     of those ciphertexts: their low bits below the top upload_bits do not
///   travel; those of q and more: all travel share_bits      m: the server keeps scheme::response_a_bits(m) top bits of
///   a'' and response_b_bits(m) of b''
double phase_noise(double weight_energy, int upload_bits, int share_bits,
                   const scheme::DirectRing& ring = scheme::kDirectRings[0]);

/// The bound that the compiler enforces: half a unit of X, 2^(32 - m) / 2.
double phase_noise_limit(int share_bits);

/// The fewest upload bits with which the noise stays within the bound; those of q if it does not even then.
int least_upload_bits(double weight_energy, int share_bits, const scheme::DirectRing& ring = scheme::kDirectRings[0]);

/// Lets every value travel with the fewest bits that each layer reading it can bear as it is packed. energies: as
/// weight_energies().
void choose_upload_bits(model::Architecture& architecture, const Energies& energies);
/// The same, and notes each layer's noise.
void choose_upload_bits(model::Architecture& architecture, model::SecretWeights& weights);

}  // namespace flash::compiler
