// The one table of parameters. Both schemes are fixed here; a model only picks its plaintext modulus from the list.
#pragma once

#include <array>
#include <cstdint>

#include "lattice/security.h"

namespace flash::scheme {

/// Linear layers ("direct" scheme): R_q = Z_q[X]/(X^n + 1), q = 2^32.
inline constexpr std::size_t kDirectDegree = 2048;
inline constexpr int kDirectModulusBits = 32;
static_assert(lattice::is_secure(kDirectDegree, kDirectModulusBits));

/// Activations (slot scheme, BFV): n = 4096 slots mod T.
inline constexpr std::size_t kSlotDegree = 4096;

/// One admissible plaintext modulus with the ciphertext primes that go with it: q = q1 q2 >= T^2 2^52, so that 40 bits of
/// flooding fit (docs/protocol.md), all = 1 mod 2 * kSlotDegree.
struct SlotParameters {
    std::uint32_t plain_modulus;  ///< T: the largest prime = 1 mod 8192 below 2^plain_bits
    int plain_bits;
    std::array<std::uint64_t, 2> primes;
    int modulus_bits;             ///< bits of q1 q2, at most 109
    int response_bits;            ///< bits of a coefficient of the product response, after modulus switching: plain_bits + 10
};

/// Parameters for the plaintext moduli of 24 to 28 bits, in that order.
const std::array<SlotParameters, 5>& slot_parameters();
/// Row with this plaintext modulus; throws Error(kInvalidArgument) if it is not in the table.
const SlotParameters& slot_parameters(std::uint32_t plain_modulus);
/// Row with this many bits (24..28).
const SlotParameters& slot_parameters_for_bits(int plain_bits);

inline constexpr int kFloodingBits = 40;  ///< statistical security of the product response's noise

}  // namespace flash::scheme
