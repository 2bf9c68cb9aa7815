// The one table of parameters. Both schemes are fixed here; a model only picks its plaintext modulus from the list.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "base/error.h"
#include "lattice/security.h"

namespace flash::scheme {

/// A ring of the linear layers ("direct" scheme): R_q = Z_q[X]/(X^n + 1) with q a power of two of at most 2^32. Its
/// elements are kept as words mod 2^32 that are multiples of 2^low_bits(), so that the same code computes in every
/// ring: v mod q stands for v 2^low_bits().
struct DirectRing {
    std::size_t degree;  ///< n
    int modulus_bits;    ///< log2 q
    constexpr int low_bits() const { return 32 - modulus_bits; }
    /// The bits that an element of the ring may have.
    constexpr std::uint32_t mask() const { return ~std::uint32_t{0} << low_bits(); }
};

/// The first one has room for everything; the second sends half of the bytes for a ciphertext that holds half as much,
/// which is less in all where many small maps are packed, and leaves less room for noise (scheme/direct_noise.h).
inline constexpr std::array<DirectRing, 2> kDirectRings{{{2048, 32}, {1024, 26}}};
inline constexpr std::size_t kMaxDirectDegree = 2048;

constexpr bool direct_rings_fit() {
    for (const DirectRing& ring : kDirectRings)
        if (!lattice::is_secure_2024(ring.degree, ring.modulus_bits) || ring.degree > kMaxDirectDegree) return false;
    return true;
}
static_assert(direct_rings_fit(), "a ring of the linear layers is outside the security table of 2024");

/// Where the ring of this degree stands in kDirectRings; Error(kInternal) if there is none.
std::size_t direct_ring_index(std::size_t degree);
inline const DirectRing& direct_ring(std::size_t degree) { return kDirectRings[direct_ring_index(degree)]; }

/// One object for each ring that is used, under its degree.
template <class T>
class PerRing {
public:
    template <class... Arguments>
    T& make(std::size_t degree, Arguments&&... arguments) {
        return *(objects_[direct_ring_index(degree)] = std::make_unique<T>(std::forward<Arguments>(arguments)...));
    }
    /// Error(kInternal) if none was made.
    T& at(std::size_t degree) const {
        T* const object = objects_[direct_ring_index(degree)].get();
        require(object != nullptr, ErrorKind::kInternal, "a ring is used that was not prepared");
        return *object;
    }

private:
    std::array<std::unique_ptr<T>, kDirectRings.size()> objects_;
};

/// Top bits that a linear response keeps beyond the m of its shares. A dropped bit of a'' is multiplied by the ternary
/// secret, one of b'' is not. With one bit less of a'' its rounding would be most of the noise that a layer may have
/// (ten sigma of it 0.42 of a unit, half a unit being the limit), and every upload would need a bit or two more.
constexpr int response_a_bits(int share_bits) { return share_bits + 9; }
constexpr int response_b_bits(int share_bits) { return share_bits + 4; }

/// Activations (slot scheme, BFV): n = 4096 slots mod T.
inline constexpr std::size_t kSlotDegree = 4096;

inline constexpr std::size_t kMaxSlotPrimes = 3;

/// One admissible plaintext modulus with the ciphertext primes that go with it: q, their product, is at least T^2 2^52,
/// so that 40 bits of flooding fit (docs/protocol.md). Every prime is 1 mod 2 * kSlotDegree and below 2^50, where the
/// fast kernels work.
struct SlotParameters {
    std::uint32_t plain_modulus;  ///< T: the largest prime = 1 mod 8192 below 2^plain_bits
    int plain_bits;
    std::size_t prime_count;                               ///< 2 or 3
    std::array<std::uint64_t, kMaxSlotPrimes> all_primes;  ///< unused ones are 0
    int modulus_bits;   ///< bits of q, at most 109; also the sum of the bits of the primes
    int response_bits;  ///< bits of a coefficient of the product response, after modulus switching: plain_bits + 10

    constexpr std::span<const std::uint64_t> primes() const { return std::span(all_primes).first(prime_count); }
};

/// The prime over which a response is decrypted: the largest = 1 mod 2 * kSlotDegree below 2^50.
inline constexpr std::uint64_t kSlotResponsePrime = 1125899906826241;

/// Parameters for the plaintext moduli of 24 to 28 bits, in that order. The ciphertext primes are two of 50 bits for 24
/// bits; for larger moduli two would need more than 50 bits, so there are three. Their sizes add up to 2 * plain_bits +
/// 52 bits and differ by at most one bit; each is the largest of its size not taken yet, so that q is just below
/// 2^(2 * plain_bits + 52). parameters_test recomputes the table; scheme/slot_noise.h proves that the noise has room.
inline constexpr std::array<SlotParameters, 5> kSlotParameters{{
    {16760833, 24, 2, {1125899906826241, 1125899906629633, 0}, 100, 34},
    {33538049, 25, 3, {17179754497, 17179672577, 17179648001}, 102, 35},
    {67084289, 26, 3, {34359697409, 34359451649, 17179754497}, 104, 36},
    {134176769, 27, 3, {68719403009, 34359697409, 34359451649}, 106, 37},
    {268369921, 28, 3, {68719403009, 68719230977, 68719206401}, 108, 38},
}};

constexpr bool slot_parameters_fit() {
    for (const SlotParameters& row : kSlotParameters)
        if (!lattice::is_secure(kSlotDegree, row.modulus_bits)) return false;
    return true;
}
static_assert(slot_parameters_fit(), "slot parameters outside the 128-bit security table");

/// Row with this plaintext modulus; throws Error(kInvalidArgument) if it is not in the table.
const SlotParameters& slot_parameters(std::uint32_t plain_modulus);
/// Row with this many bits (24..28).
const SlotParameters& slot_parameters_for_bits(int plain_bits);

inline constexpr int kFloodingBits = 40;  ///< statistical security of the product response's noise

}  // namespace flash::scheme
