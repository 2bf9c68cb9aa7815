// The passes over coefficients of the slot scheme, behind SlotRing. Polynomials have kSlotDegree coefficients; residues
// are in [0, p).
#pragma once

#include <cstddef>
#include <cstdint>

#include "lattice/kernels/pointwise.h"
#include "scheme/parameters.h"

namespace flash::scheme::kernels {

using lattice::kernels::WideModulus;

/// A factor w mod p with floor(2^52 w / p).
struct Factor {
    std::uint64_t value, quotient;
};

struct SlotPrime {
    WideModulus modulus;
    Factor plain_inverse;  ///< 1/T mod p
    /// floor(2^104 w / p), w = (q/p)^-1 mod p, in two halves of 52 bits: x times it, over 2^52, is the part of x in
    /// 2^52 (x/q mod 1).
    std::uint64_t fraction_high, fraction_low;
};

struct SlotConstants {
    WideModulus plain;  ///< T
    Factor q_mod_plain;
    std::size_t prime_count;
    SlotPrime primes[kMaxSlotPrimes];
    int response_bits;  ///< t
};

struct SlotKernels {
    /// out = slots, then zeros; whether all slots are below T.
    bool (*widen)(std::uint64_t plain, const std::uint32_t* slots, std::size_t count, std::uint64_t* out);
    /// out -= slots mod T for the first `count` of out; whether all slots are below T.
    bool (*subtract)(std::uint64_t plain, const std::uint32_t* slots, std::size_t count, std::uint64_t* out);
    void (*narrow)(const std::uint64_t* x, std::size_t count, std::uint32_t* out);
    /// The representative in (-T/2, T/2) of coefficients mod T, mod p.
    void (*lift_centred)(std::uint64_t plain, std::uint64_t p, const std::uint64_t* x, std::uint64_t* out);
    /// out[i] = round(q/T m) + error mod p_i, in [0, 4p_i): for a transform, which takes that.
    void (*scale_up)(const SlotConstants&, const std::uint64_t* m, const std::int8_t* error, std::uint64_t* const* out);
    /// out = round(2^t / q (x + error)) mod 2^t for x given by its residues x[i].
    void (*switch_down)(const SlotConstants&, const std::uint64_t* const* x, const std::int8_t* error,
                        std::uint64_t* out);
    /// out = round(2^t / q (x + flooding + round(q/T m))) mod 2^t.
    void (*switch_down_sum)(const SlotConstants&, const std::uint64_t* const* x, const std::uint64_t* const* flooding,
                            const std::uint64_t* m, std::uint64_t* out);
    /// The representative in [-2^(t-1), 2^(t-1)) of coefficients mod 2^t, mod p; in place.
    void (*lift_response)(std::uint64_t p, int t, std::uint64_t* x);
    /// out = round(T / 2^t (b + product)) mod T, where the product is taken in (-p/2, p/2).
    void (*scale_down)(const SlotConstants&, std::uint64_t p, const std::uint64_t* product, const std::uint64_t* b,
                       std::uint64_t* out);
};

extern const SlotKernels kSlotKernelsPortable, kSlotKernelsAvx512;

}  // namespace flash::scheme::kernels
