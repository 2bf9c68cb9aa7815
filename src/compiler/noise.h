// The noise of a linear layer's result, from the parameters of the linear scheme (q = 2^32, n = 2048).
#pragma once

namespace flash::compiler {

/// Ten standard deviations of the phase of one output coefficient, in units of 1 out of q = 2^32.
///   weight_energy   sum of squares of the integers that multiply ciphertext coefficients, multipliers and scales included
///   share_bits      m: the server drops all but m + 8 top bits of a'' and all but m + 4 of b''
double phase_noise(double weight_energy, int share_bits);

/// The bound that the compiler enforces: half a unit of X, 2^(32 - m) / 2.
double phase_noise_limit(int share_bits);

}  // namespace flash::compiler
