// The rings behind the slot scheme: plaintexts mod T, ciphertexts mod q = q1 q2 as two residues, responses mod 2^t. Every
// function here is constant time in the polynomials' values.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/secret.h"
#include "lattice/ntt.h"
#include "scheme/parameters.h"

namespace flash::scheme {

/// n = 4096 coefficients (or transform values) below a prime or power of two.
using Poly64 = SecretVector<std::uint64_t>;
/// A polynomial mod q, as its residues mod q1 and q2.
using Residues = std::array<Poly64, 2>;

inline constexpr std::size_t kMaxSlotProducts = 3;  ///< summands of one response that the noise analysis allows

class SlotRing {
public:
    /// One instance per row of the table, built on first use and kept.
    static const SlotRing& of(const SlotParameters& parameters);
    explicit SlotRing(const SlotParameters& parameters);

    const SlotParameters& parameters() const { return parameters_; }
    const lattice::NttTables& plain() const { return plain_; }
    const lattice::NttTables& prime(std::size_t i) const { return primes_[i]; }

    /// Polynomial in [0, T) with these slots; missing slots are zero. Error(kInternal) for more than n values or one >= T.
    void encode(std::span<const std::uint32_t> slots, std::span<std::uint64_t> polynomial) const;
    /// Slots of a polynomial mod T, in place.
    void decode(std::span<std::uint64_t> polynomial) const;

    /// The representative in (-T/2, T/2] of a polynomial mod T, as residues mod q_i.
    void lift_centred(std::span<const std::uint64_t> polynomial, std::size_t i, std::span<std::uint64_t> out) const;
    /// (first, second) += round(q/T * m) mod (q1, q2), exactly, for m in [0, T) coefficient-wise.
    void add_scaled(std::span<const std::uint64_t> polynomial, std::span<std::uint64_t> first, std::span<std::uint64_t> second) const;

    /// round(2^t / q * x) mod 2^t, t = response_bits, for x mod q given by its residues.
    void switch_down(std::span<const std::uint64_t> first, std::span<const std::uint64_t> second, std::span<std::uint64_t> out) const;
    /// round(T / 2^t * phase) mod T in place, for phase mod 2^t.
    void scale_down(std::span<std::uint64_t> phase) const;

    /// log2 of the bound of the flooding noise, which is uniform in [-2^k, 2^k).
    int log_flooding() const { return parameters_.plain_bits + 10 + kFloodingBits; }

    /// Both residues, bit-packed one after the other.
    std::size_t packed_bytes() const;
    void append_packed(const Residues& x, std::vector<std::uint8_t>& out) const;
    /// Residue i of a packed polynomial. Error(kProtocol) unless the size is exact and every coefficient is below the prime.
    void unpack(std::span<const std::uint8_t> bytes, std::size_t i, std::span<std::uint64_t> out) const;

private:
    struct PerPrime {
        lattice::ShoupFactor quotient;       ///< floor(q/T) mod q_i
        lattice::ShoupFactor other_inverse;  ///< (q / q_i)^-1 mod q_i
        std::uint64_t fraction;              ///< floor(2^(63 + bits) / q_i), bits = bit size of q_i
    };

    SlotParameters parameters_;
    lattice::NttTables plain_;
    std::array<lattice::NttTables, 2> primes_;
    std::array<PerPrime, 2> constants_;
    std::uint64_t q_mod_plain_;
    lattice::Divider by_plain_;
};

}  // namespace flash::scheme
