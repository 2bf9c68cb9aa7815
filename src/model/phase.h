// The phase of a layer's output as the protocol sees it: the sum of acc_i / T_i mod 1, and its rounding to X.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lattice/modulus.h"

namespace flash::model {

/// Exact accumulators of a layer: one map for each modulus of its sources.
struct Accumulators {
    std::vector<std::uint32_t> moduli;            ///< as Architecture::layer_moduli
    std::vector<std::vector<std::int64_t>> sums;  ///< [modulus], each CHW

    std::size_t size() const { return sums.front().size(); }
    /// 4 times the sum of acc_i / T_i, exact up to rounding of doubles; its magnitude must stay below 1. With one
    /// modulus it is below 1 exactly where 4 |acc| < T.
    double use(std::size_t at) const {
        double sum = 0;
        for (std::size_t i = 0; i < moduli.size(); ++i) sum += 4.0 * static_cast<double>(sums[i][at]) / moduli[i];
        return sum;
    }
};

/// Fractions of one as integers of 128 bits: 1 is 2^128, so that sums wrap mod 1.
using Fraction = lattice::u128;

/// acc / T mod 1, rounded down to a multiple of 2^-96: a sum of k of them is less than k 2^-96 too small, at most 2^-77
/// of a unit of X. With one modulus that changes no rounding: 2^m acc / T is a whole number of units, then this is
/// exact, or at least 1 / T away from one, 1 / (2 T) from a half, and 2^-32 / T from where a random number would turn
/// it.
class FractionOf {
public:
    explicit FractionOf(std::uint32_t modulus) : modulus_(modulus), by_modulus_(modulus) {}
    Fraction operator()(std::int64_t acc) const {
        const auto magnitude = static_cast<std::uint64_t>(acc < 0 ? -acc : acc);
        std::uint64_t rest = magnitude - by_modulus_.quotient(magnitude) * modulus_;
        if (acc < 0 && rest != 0) rest = modulus_ - rest;
        Fraction fraction = 0;
        for (int digit = 0; digit < 3; ++digit) {
            const std::uint64_t quotient = by_modulus_.quotient(rest << 32);
            rest = (rest << 32) - quotient * modulus_;
            fraction = fraction << 32 | quotient;
        }
        return fraction << 32;
    }

private:
    std::uint64_t modulus_;
    lattice::Divider by_modulus_;
};

/// 2^m times the phase, as an integer mod 2^m: the nearest one, or the floor, or the ceiling where `random` of 32 bits
/// falls within the fraction: unbiased.
inline std::int64_t round_nearest(Fraction phase, int share_bits) {
    const Fraction half = Fraction{1} << (127 - share_bits);
    return static_cast<std::int64_t>((phase + half) >> (128 - share_bits));
}
inline std::int64_t round_stochastic(Fraction phase, int share_bits, std::uint32_t random) {
    const bool up = (Fraction{random} << 96) < (phase << share_bits);
    return static_cast<std::int64_t>(phase >> (128 - share_bits)) + up;
}

}  // namespace flash::model
