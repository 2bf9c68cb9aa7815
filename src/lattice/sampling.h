// Samplers of the schemes. Secret samples are drawn without branches or table look-ups that depend on them, and their random
// bits are wiped. Rejection is used for public polynomials only.
#pragma once

#include <cstdint>
#include <span>

#include "base/random.h"
#include "lattice/modulus.h"

namespace flash::lattice {

/// Public uniform residues in [0, p), by rejection of words masked to the bits of p. Both parties expand the same values.
void sample_uniform(Prng& rng, const Modulus& modulus, std::span<std::uint64_t> out);

/// Secret, uniform over {-1, 0, 1}: four base-3 digits of a 64-bit fraction per word; the joint distribution of the four is
/// within 3^4 / 2^64 < 2^-57 of uniform.
void sample_ternary(Prng& rng, std::span<std::int8_t> out);

/// Standard deviation of sample_error: centred binomial over 2 * 21 bits, sqrt(21 / 2) = 3.24 >= kErrorSigma.
inline constexpr int kErrorBits = 21;

/// Secret RLWE error: the difference of the numbers of ones among 21 and 21 random bits, in [-21, 21].
void sample_error(Prng& rng, std::span<std::int8_t> out);

/// Secret flooding noise: independent integers, uniform in [-2^log_bound, 2^log_bound) with 0 <= log_bound <= 126, given as
/// residues mod first and mod second.
void sample_flooding(Prng& rng, int log_bound, const Modulus& first, const Modulus& second,
                     std::span<std::uint64_t> out_first, std::span<std::uint64_t> out_second);

}  // namespace flash::lattice
