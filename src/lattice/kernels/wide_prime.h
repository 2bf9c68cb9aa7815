// Residues mod p < 2^50 on the Lanes of lanes_portable.h or lanes_avx512.h, one of which is included first.
#pragma once

#include <cstdint>

#include "lattice/kernels/pointwise.h"

namespace flash::lattice::kernels {
namespace {

using Vector = Lanes::Vector;

struct Prime {
    Vector p, two_p, minus_p, reciprocal, low;

    explicit Prime(const WideModulus& modulus)
        : p(Lanes::all(modulus.p)),
          two_p(Lanes::all(2 * modulus.p)),
          minus_p(Lanes::all((std::uint64_t{1} << 52) - modulus.p)),
          reciprocal(Lanes::all(modulus.reciprocal)),
          low(Lanes::all((std::uint64_t{1} << 52) - 1)) {}

    /// x w mod p in [0, 2p) for x < 2^52 and w < p with floor(2^52 w / p): h = floor(x quotient / 2^52) is at most x w
    /// / p and less than 2 below it; x w - h p is computed mod 2^52.
    Vector multiply(Vector x, Vector w, Vector quotient) const {
        const Vector high = Lanes::add_high(Lanes::zero(), x, quotient);
        return Lanes::bit_and(Lanes::add_low(Lanes::add_low(Lanes::zero(), x, w), high, minus_p), low);
    }
    /// x mod p in [0, 2p) for x < 2^52: the same with w = 1.
    Vector reduce(Vector x) const {
        const Vector high = Lanes::add_high(Lanes::zero(), x, reciprocal);
        return Lanes::bit_and(Lanes::add_low(x, high, minus_p), low);
    }
    Vector from_two_p(Vector x) const { return Lanes::subtract_if_at_least(x, p); }
    Vector from_four_p(Vector x) const { return from_two_p(Lanes::subtract_if_at_least(x, two_p)); }
    /// x + p where x, taken as signed, is negative: the residue of |x| < p.
    Vector from_signed(Vector x) const { return Lanes::subtract_if_at_least(Lanes::add(x, p), p); }
};

}  // namespace
}  // namespace flash::lattice::kernels
