// The noise of a linear layer's result, from the parameters of the linear scheme (q = 2^32, n = 2048).
#pragma once

#include "model/model.h"

namespace flash::compiler {

/// Sum of the squares of all integers that multiply ciphertexts for one output of a layer, the largest over its channels.
double weight_energy(const model::LayerWeights& weights, int channels);

/// Ten standard deviations of the phase of one output coefficient, in units of 1 out of q = 2^32.
///   weight_energy   sum of squares of the integers that multiply ciphertext coefficients, multipliers and scales included
///   upload_bits     of those ciphertexts: their low 32 - upload_bits bits do not travel
///   share_bits      m: the server keeps scheme::response_a_bits(m) top bits of a'' and response_b_bits(m) of b''
double phase_noise(double weight_energy, int upload_bits, int share_bits);

/// The bound that the compiler enforces: half a unit of X, 2^(32 - m) / 2.
double phase_noise_limit(int share_bits);

/// The fewest upload bits with which the noise stays within the bound; 32 if it does not even then.
int least_upload_bits(double weight_energy, int share_bits);

/// Lets every value travel with the fewest bits that each layer reading it can bear, and notes each layer's noise.
void choose_upload_bits(model::Architecture& architecture, model::SecretWeights& weights);

}  // namespace flash::compiler
