// The noise of a linear layer's result, from the parameters of the scheme of the linear layers: errors of encryption,
// what both parties round away of uploads and responses, and re-randomisation. Which integers multiply the uploads, the
// caller says (packing/weight_energy.h).
#pragma once

#include "scheme/parameters.h"

namespace flash::scheme {

/// Ten standard deviations of the decryption phase of one result coefficient, in units of 1 out of 2^32, which stands
/// for q.
///   weight_energy   sum of the squares of the integers that multiply ciphertext coefficients
///   upload_bits     of those ciphertexts: their low bits below the top upload_bits do not travel; those of q and more:
///                   all travel
///   share_bits      m: the server keeps response_a_bits(m) top bits of a'' and response_b_bits(m) of b''
double phase_noise(double weight_energy, int upload_bits, int share_bits, const DirectRing& ring = kDirectRings[0]);

/// The bound that the compiler enforces: half a unit of X, 2^(32 - m) / 2.
double phase_noise_limit(int share_bits);

}  // namespace flash::scheme
