// Samplers of the schemes. Secret samples are drawn without branches or table look-ups that depend on them, and their
// random bits are wiped. Where a sampler rejects, only the discarded draws influence its time. The samples, and how
// much of the stream they use up, are the same for every instruction set.
#pragma once

#include <cstdint>
#include <span>

#include "base/instruction_set.h"
#include "base/random.h"
#include "lattice/modulus.h"

namespace flash::lattice {

/// Public uniform residues in [0, p). A candidate is the next ceil(bits / 8) bytes as a little-endian number, less the
/// bits beyond the bits of p; the candidates below p follow each other. Both parties expand the same values.
void sample_uniform(Prng& rng, const Modulus& modulus, std::span<std::uint64_t> out,
                    InstructionSet set = best_instruction_set());

/// Secret, uniform over {-1, 0, 1}: four base-3 digits of a 64-bit fraction per word; the joint distribution of the
/// four is within 3^4 / 2^64 < 2^-57 of uniform.
void sample_ternary(Prng& rng, std::span<std::int8_t> out, InstructionSet set = best_instruction_set());

/// Standard deviation of sample_error: centred binomial over 2 * 21 bits, sqrt(21 / 2) = 3.24 >= kErrorSigma.
inline constexpr int kErrorBits = 21;

/// Secret RLWE error: the difference of the numbers of ones among 21 and 21 random bits, in [-21, 21]; six bytes each.
void sample_error(Prng& rng, std::span<std::int8_t> out, InstructionSet set = best_instruction_set());

}  // namespace flash::lattice
