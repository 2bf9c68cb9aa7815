// The noise of the slot scheme, computed from the table of parameters by the compiler: for each row, the client
// decrypts the right values, the flooding hides what the client's factors and the server's errors leave in a response,
// and a response can be decrypted over one prime of 50 bits.
//
// Variances are those of one coefficient. Everything is in units of q but for the last steps, where a response has been
// switched down to 2^t and units are those of 2^t (t = response_bits). T is the plaintext modulus, b = plain_bits its
// bits (2^b > T), n = kSlotDegree.
#pragma once

#include <array>
#include <cstddef>

#include "lattice/sampling.h"
#include "scheme/parameters.h"

namespace flash::scheme {

/// Summands of one response.
inline constexpr std::size_t kMaxSlotProducts = 3;

/// log2 of the bound F of the flooding noise, which is uniform in [-F, F).
constexpr int slot_log_flooding(const SlotParameters& row) { return row.plain_bits + 10 + kFloodingBits; }

namespace slot_noise {

constexpr double square(double x) { return x * x; }
constexpr double power_of_two(int exponent) {
    double power = 1;
    for (; exponent > 0; --exponent) power *= 2;
    return power;
}

/// q.
constexpr double modulus(const SlotParameters& row) {
    double q = 1;
    for (std::size_t i = 0; i < row.prime_count; ++i) q *= static_cast<double>(row.all_primes[i]);
    return q;
}

inline constexpr double kDegree = kSlotDegree;
inline constexpr double kErrorVariance = lattice::kErrorBits / 2.0;
inline constexpr double kTernaryVariance = 2.0 / 3;
inline constexpr double kRoundingVariance = 1.0 / 12;

/// The noise of a server vector, whose decryption phase is (q/T) m + noise: the error, and the rounding of (q/T) m.
inline constexpr double kVectorVariance = kErrorVariance + kRoundingVariance;

/// The sum of kMaxSlotProducts products of a server vector and a client polynomial, whose centred coefficients are
/// uniform up to T/2 in size. (Multiples of T in the product of plaintexts are multiples of q and vanish.)
constexpr double product_variance(const SlotParameters& row) {
    return kVectorVariance * square(row.plain_modulus) / 12 * kDegree * kMaxSlotProducts;
}

/// Re-randomisation adds e_pk u + e1 s for ternary u and s: nothing beside the products.
inline constexpr double kRerandomisationVariance = 2 * kDegree * kErrorVariance * kTernaryVariance;

/// What the noise that depends on the client's factors stays below.
constexpr double bound(const SlotParameters& row) { return power_of_two(10) * row.plain_modulus; }

/// Bound of the flooding.
constexpr double flooding(const SlotParameters& row) { return power_of_two(slot_log_flooding(row)); }

/// The part of the room of decryption, q/(2T) on each side, that the flooding and the noise below it may take.
constexpr double flooded_part(const SlotParameters& row) {
    return (flooding(row) + bound(row)) / (modulus(row) / (2.0 * row.plain_modulus));
}

/// Room of a switched response on each side, less what was taken before switching; in units of 2^t.
constexpr double switched_room(const SlotParameters& row) {
    return power_of_two(row.response_bits) / (2.0 * row.plain_modulus) * (1 - flooded_part(row));
}

/// Switching adds r_b + r_a s, where r_a and r_b are nearly uniform in [-r, r], r = 1/2 + 2^-10
/// (SlotRing::switch_down); in units of 2^t.
inline constexpr double kSwitchingVariance =
    square(1 + 1 / power_of_two(9)) * kRoundingVariance * (1 + kDegree * kTernaryVariance);

/// The largest coefficient of a s over the integers, where a is centred mod 2^t and s has so many coefficients that are
/// not zero.
constexpr double largest_response(const SlotParameters& row, double nonzero) {
    return power_of_two(row.response_bits - 1) * nonzero;
}

/// 9.8 standard deviations of the products and of re-randomisation stay within the bound.
constexpr bool bound_holds(const SlotParameters& row) {
    return square(9.8) * (product_variance(row) + kRerandomisationVariance) < square(bound(row));
}
/// The flooding hides noise up to the bound with kFloodingBits bits of statistical distance.
constexpr bool flooding_hides(const SlotParameters& row) {
    return flooding(row) >= power_of_two(kFloodingBits) * bound(row);
}
/// Flooding takes half of the room, up to 2^-13 of that: q is that close to 2^(2b + 52). 16.9 standard deviations of
/// switching fit in the other half. (One response bit less would leave 8.5.)
constexpr bool decrypts(const SlotParameters& row) {
    return flooded_part(row) < 0.5 * (1 + 1 / power_of_two(13)) && switched_room(row) > 0 &&
           square(16.9) * kSwitchingVariance < square(switched_room(row));
}
/// A response is decrypted over kSlotResponsePrime, P. For b < 28 no coefficient of a s reaches P/2. For b = 28 that
/// needs a secret without a single zero, which a uniform ternary one is with probability (2/3)^4096 < 2^-2396.
constexpr bool response_prime_is_large_enough(const SlotParameters& row) {
    const double nonzero = row.plain_bits < 28 ? kDegree : kDegree - 1;
    return largest_response(row, nonzero) < static_cast<double>(kSlotResponsePrime) / 2;
}

constexpr bool has_room(const SlotParameters& row) {
    return bound_holds(row) && flooding_hides(row) && decrypts(row) && response_prime_is_large_enough(row);
}
constexpr bool all_have_room() {
    for (const SlotParameters& row : kSlotParameters)
        if (!has_room(row)) return false;
    return true;
}
static_assert(all_have_room(), "slot parameters without room for the noise");

}  // namespace slot_noise
}  // namespace flash::scheme
