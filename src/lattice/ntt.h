// The negacyclic number-theoretic transform of Z_p[X]/(X^n + 1): a polynomial's values at the odd powers of a primitive
// 2n-th root of unity, in bit-reversed order. Products of polynomials become products of values. p is a prime or a
// product of two: the butterflies need a root of unity and nothing else, and values mod a product are values mod both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/aligned.h"
#include "base/instruction_set.h"
#include "lattice/modulus.h"

namespace flash::lattice {

/// Tables for one (n, p). Immutable after construction; shared between threads.
class NttTables {
public:
    /// n: a power of two, 64 to 16384; p: below 2^60, its prime factors 1 mod 2n. Error(kInvalidArgument) otherwise.
    NttTables(std::size_t n, const Modulus& modulus);
    NttTables(std::size_t n, std::uint64_t prime) : NttTables(n, Modulus(prime)) {}

    std::size_t size() const { return n_; }
    const Modulus& modulus() const { return modulus_; }

    /// In place: n coefficients in [0, 4p), natural order -> n values in [0, p), bit-reversed order. Time independent
    /// of the data; every instruction set gives the same result. A set without a kernel for this prime falls back to a
    /// lower one.
    void forward(std::span<std::uint64_t> polynomial, InstructionSet set = best_instruction_set()) const;
    /// The same, but the values are any representatives in [0, 4p), or for p <= 2^48 in [0, 2^52), and which ones
    /// depends on the instruction set: for products (lattice/pointwise.h) that reduce them.
    void forward_lazy(std::span<std::uint64_t> polynomial, InstructionSet set = best_instruction_set()) const;
    /// Inverse of forward, the factor 1/n included.
    void inverse(std::span<std::uint64_t> values, InstructionSet set = best_instruction_set()) const {
        inverse(values, unit_, set);
    }

    /// A factor that an inverse transform applies instead of 1/n: a public constant times the result costs nothing.
    class Scale {
        friend class NttTables;
        ShoupFactor integer_, wide_, wide_last_;
        double float_ = 0;
    };
    /// For c times the polynomial, c < p.
    Scale scale(std::uint64_t c) const;
    void inverse(std::span<std::uint64_t> values, const Scale& scale,
                 InstructionSet set = best_instruction_set()) const;

private:
    // The tables of one direction for the kernels of 52-bit multiplications (p < 2^50): see kernels::WideNtt.
    struct WideTables {
        AlignedVector<std::uint64_t> quotients, inner;
    };

    void transform(std::span<std::uint64_t> polynomial, bool lazy, InstructionSet set) const;
    InstructionSet kernel(InstructionSet set) const;
    WideTables wide_tables(std::span<const std::uint64_t> roots, std::span<const std::uint64_t> quotients) const;

    std::size_t n_;
    Modulus modulus_;
    // Powers of the root (and of its inverse) in bit-reversed order with their Shoup quotients: entry m + i serves
    // block i of the level with m blocks.
    AlignedVector<std::uint64_t> roots_, root_quotients_, inverse_roots_, inverse_root_quotients_;
    WideTables wide_, inverse_wide_;
    Scale unit_;
    // The same powers, centred, as exact doubles, and divided by p: for the kernels on floating-point units (p < 2^50).
    AlignedVector<double> float_roots_, float_root_ratios_, float_inverse_roots_, float_inverse_root_ratios_;
};

}  // namespace flash::lattice
