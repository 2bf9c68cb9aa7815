#include "compiler/noise.h"

#include <cmath>

namespace flash::compiler {
namespace {

constexpr double kRingDimension = 2048;
constexpr double kErrorVariance = 10.5;          // of the encryption error, centred binomial with 21 pairs of bits
constexpr double kRoundingVariance = 1.0 / 12;   // of rounding q/T * share to an integer
constexpr double kTernaryWeight = kRingDimension * 2 / 3;  // expected squared norm of a ternary polynomial
constexpr double kSigmas = 10;                   // beyond this, a coefficient is wrong with probability below 2^-75

double dropped(int bits) { return bits > 0 ? std::ldexp(1.0, 2 * bits) / 12 : 0; }

}  // namespace

double phase_noise(double weight_energy, int share_bits) {
    // Each input ciphertext brings its error and the rounding of both shares; re-randomisation adds e_pk u + e1 s; the
    // dropped bits of a'' are multiplied by s, those of b'' are not.
    const double variance = weight_energy * (kErrorVariance + 2 * kRoundingVariance) + 2 * kErrorVariance * kTernaryWeight +
                            dropped(32 - (share_bits + 8)) * kTernaryWeight + dropped(32 - (share_bits + 4));
    return kSigmas * std::sqrt(variance);
}

double phase_noise_limit(int share_bits) { return std::ldexp(0.5, 32 - share_bits); }

}  // namespace flash::compiler
