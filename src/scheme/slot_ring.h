// The rings behind the slot scheme: plaintexts mod T, ciphertexts mod q as residues mod two or three primes, responses
// mod 2^t. A polynomial is a span of kSlotDegree words; wrong sizes are Error(kInternal). Every function is constant
// time in the polynomials' values and gives the same result for every instruction set.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/secret.h"
#include "lattice/ntt.h"
#include "lattice/pointwise.h"
#include "scheme/kernels/slot_kernels.h"
#include "scheme/parameters.h"
#include "scheme/slot_noise.h"

namespace flash::scheme {

using Polynomial = std::span<std::uint64_t>;
using ConstPolynomial = std::span<const std::uint64_t>;

class SlotRing {
public:
    /// One instance per row of the table and instruction set, built on first use and kept.
    static const SlotRing& of(const SlotParameters& parameters, InstructionSet set = best_instruction_set());
    SlotRing(const SlotParameters& parameters, InstructionSet set);

    const SlotParameters& parameters() const { return parameters_; }
    InstructionSet set() const { return set_; }

    /// One prime with its transforms and arithmetic.
    struct Prime {
        lattice::NttTables ntt;
        lattice::Pointwise arithmetic;
        Prime(std::uint64_t prime, InstructionSet set) : ntt(kSlotDegree, prime), arithmetic(ntt.modulus(), set) {}
    };
    std::size_t prime_count() const { return parameters_.prime_count; }
    const Prime& prime(std::size_t i) const { return primes_[i]; }
    const std::vector<lattice::Modulus>& moduli() const { return moduli_; }
    /// Responses are decrypted over this one.
    const Prime& response_prime() const { return response_ ? *response_ : primes_[0]; }
    void forward(const Prime& prime, Polynomial x) const { prime.ntt.forward(x, set_); }
    /// For the factors of products only: see NttTables.
    void forward_lazy(const Prime& prime, Polynomial x) const { prime.ntt.forward_lazy(x, set_); }
    void inverse(const Prime& prime, Polynomial x) const { prime.ntt.inverse(x, set_); }

    /// Polynomial in [0, T) with these slots, less those of `subtracted`; missing slots are zero. Error(kInternal) for
    /// more than n values or one >= T.
    void encode(std::span<const std::uint32_t> slots, Polynomial out,
                std::span<const std::uint32_t> subtracted = {}) const;
    /// The first slots of a polynomial mod T, which is overwritten.
    void decode(Polynomial polynomial, std::span<std::uint32_t> slots) const;

    /// The representative in (-T/2, T/2) of a polynomial mod T, as residues mod prime i.
    void lift_centred(ConstPolynomial polynomial, std::size_t i, Polynomial out) const;
    /// out = round(q/T m) + error mod q, exactly, for m in [0, T), with residues in [0, 4p) as the transforms take
    /// them.
    void scale_up(ConstPolynomial m, std::span<const std::int8_t> error, std::span<const Polynomial> out) const;

    /// round(2^t / q (x + error)) mod 2^t, off from the nearest by at most 2^-10 of a unit.
    void switch_down(std::span<const Polynomial> x, std::span<const std::int8_t> error, Polynomial out) const;
    /// round(2^t / q (x + flooding + round(q/T m))) mod 2^t, likewise.
    void switch_down(std::span<const Polynomial> x, std::span<const Polynomial> flooding, ConstPolynomial m,
                     Polynomial out) const;

    /// The representative in [-2^(t-1), 2^(t-1)) of a polynomial mod 2^t, as residues mod the response prime; in place.
    void lift_response(Polynomial x) const;
    /// round(T / 2^t (b + product)) mod T for b mod 2^t and a product mod the response prime; out may be one of them.
    void scale_down(ConstPolynomial product, ConstPolynomial b, Polynomial out) const;

    /// log2 of the bound of the flooding noise, which is uniform in [-2^k, 2^k).
    int log_flooding() const { return slot_log_flooding(parameters_); }

    /// All residues, bit-packed one prime after the other.
    std::size_t packed_bytes() const;
    std::size_t packed_bytes(std::size_t i) const;
    void append_packed(ConstPolynomial x, std::size_t i, std::vector<std::uint8_t>& out) const;
    /// Residue i of a packed polynomial. Error(kProtocol) unless the size is exact and every coefficient is below the
    /// prime.
    void unpack(std::span<const std::uint8_t> bytes, std::size_t i, Polynomial out) const;

private:
    SlotParameters parameters_;
    InstructionSet set_;
    const kernels::SlotKernels& kernels_;
    lattice::NttTables plain_;
    std::vector<Prime> primes_;
    std::vector<lattice::Modulus> moduli_;
    std::optional<Prime> response_;  ///< none if it is the first prime
    kernels::SlotConstants constants_;
};

}  // namespace flash::scheme
