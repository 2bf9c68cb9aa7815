// Conversions between residue number systems: an integer mod D = d_1 d_2 ... d_r, given by its residues, to other
// moduli. With y_i = x (D/d_i)^-1 mod d_i, x is sum_i y_i D/d_i less a multiple of D, and that multiple is one rounded
// sum for each coefficient, shared by all moduli that are converted to: 2 multiplications for each term, 3 for the sum.
//
// All moduli are odd, below 2^50 and coprime, primes or products; at most kMaxTerms - 1 of them. Arrays have a multiple
// of 32 entries. Time independent of the values; every instruction set gives the same result. AVX2 has no wide product
// and uses the portable siblings.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/instruction_set.h"
#include "lattice/kernels/residue_sums.h"
#include "lattice/modulus.h"

namespace flash::lattice {

using Residues = std::span<const std::uint64_t>;

/// w mod p with floor(2^52 w / p).
kernels::WideFactor wide_factor(const Modulus& modulus, std::uint64_t w);

/// x -> sum_i x_i g_i mod p, in [0, p), for public g_i and any x_i < 2^52.
class LinearSum {
public:
    LinearSum(const Modulus& modulus, std::span<const std::uint64_t> factors, InstructionSet set);

    void operator()(std::span<const Residues> x, std::span<std::uint64_t> out) const;
    /// The same plus small times a factor, for small signed integers.
    void operator()(std::span<const Residues> x, std::span<const std::int8_t> small, kernels::WideFactor small_factor,
                    std::span<std::uint64_t> out) const;
    /// For words: sum_i x_i g_i.
    void operator()(std::span<const std::span<const std::uint32_t>> x, std::span<std::uint64_t> out) const;

private:
    const kernels::ResidueSums& kernels_;
    kernels::WideModulus modulus_;
    std::vector<kernels::WideFactor> factors_;
};

/// x -> round(sum_i x_i w_i / 2^shift) for public fractions w_i and x_i < 2^50.
class RoundedSum {
public:
    RoundedSum(std::vector<kernels::WideFraction> weights, int shift, InstructionSet set);

    void operator()(std::span<const Residues> x, std::span<std::uint64_t> out) const;

private:
    const kernels::ResidueSums& kernels_;
    std::vector<kernels::WideFraction> weights_;
    int shift_;
};

/// From residues mod D to those of the representative in [-D/2, D/2], which is right but for a part of 2^-64 of all x:
/// those that close to D/2, which may become x - D. (The multiple of D is computed to 2^-65 at least, for moduli of 20
/// bits or more.)
class BaseConversion {
public:
    BaseConversion(std::vector<Modulus> from, InstructionSet set);

    /// (D/d_i)^-1 mod d_i: y_i is the residue times this, which an inverse transform does on the way
    /// (NttTables::Scale).
    std::uint64_t inverse(std::size_t i) const { return inverses_[i]; }
    /// D mod p.
    std::uint64_t product(const Modulus& modulus) const;

    /// The multiple of D to be subtracted. y: one array for each modulus.
    void quotient(std::span<const Residues> y, std::span<std::uint64_t> out) const { quotient_(y, out); }
    /// (y, quotient) -> scale x mod p.
    LinearSum to(const Modulus& modulus, std::uint64_t scale = 1) const;

private:
    std::vector<Modulus> from_;
    InstructionSet set_;
    std::vector<std::uint64_t> inverses_;
    RoundedSum quotient_;
};

/// Modulus switching that keeps a part of the modulus: from x mod P D to round(x D'/D) mod P D', where P, D and D' are
/// products of the moduli `kept`, `from` and `to`. Rounded to the nearest up to 2^-48 of a unit.
///
/// x D'/D mod P D' is x' D'/D mod P for the residues x' mod P, plus sum_i y_i P D'/d_i, y_i = x (P D/d_i)^-1 mod d_i,
/// whose fractions are added up to one integer `rest` for all moduli. (The residues mod P of x do not matter mod D'.)
class Rescaling {
public:
    Rescaling(std::vector<Modulus> kept, std::vector<Modulus> from, std::vector<Modulus> to, InstructionSet set);

    /// (P D/d_i)^-1 mod d_i.
    std::uint64_t inverse(std::size_t i) const { return inverses_[i]; }
    void rest(std::span<const Residues> y, std::span<std::uint64_t> out) const { rest_(y, out); }
    /// (y, rest) -> the result mod the i-th of `to`.
    LinearSum to(std::size_t i) const { return part(to_[i]); }
    /// (y, rest) -> what the result mod the i-th of `kept` is beside x factor(i).
    LinearSum kept(std::size_t i) const { return part(kept_[i]); }
    /// D'/D mod the i-th of `kept`.
    std::uint64_t factor(std::size_t i) const;

private:
    LinearSum part(const Modulus& modulus) const;

    std::vector<Modulus> kept_, from_, to_;
    InstructionSet set_;
    std::vector<std::uint64_t> inverses_, remainders_;  // remainders: P D' mod d_i
    RoundedSum rest_;
};

}  // namespace flash::lattice
