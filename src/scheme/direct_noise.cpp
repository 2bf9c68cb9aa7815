#include "scheme/direct_noise.h"

#include <algorithm>
#include <cmath>

#include "lattice/sampling.h"

namespace flash::scheme {
namespace {

constexpr double kErrorVariance = lattice::kErrorBits / 2.0;  // of the encryption error
constexpr double kRoundingVariance = 1.0 / 12;                // of rounding to an integer
constexpr double kSigmas = 10;  // beyond this, a coefficient is wrong with probability below 2^-75

/// Variance of rounding away this many low bits.
double dropped(int bits) { return bits > 0 ? std::ldexp(1.0, 2 * bits) / 12 : 0; }

}  // namespace

double phase_noise(double weight_energy, int upload_bits, int share_bits, const DirectRing& ring) {
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
                            dropped(32 - response_a_bits(share_bits)) * ternary_weight +
                            dropped(32 - response_b_bits(share_bits));
    return kSigmas * std::sqrt(variance);
}

double phase_noise_limit(int share_bits) { return std::ldexp(0.5, 32 - share_bits); }

}  // namespace flash::scheme
