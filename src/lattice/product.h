// Exact products in Z_{2^32}[X]/(X^n + 1) where one factor is small: the words are lifted to centred integers,
// multiplied over one NTT prime and read off again. A coefficient of the product is at most 2^31 * n * |small| <= 2^31
// * 8192 = 2^44 in absolute value for ternary factors, below p/2 with p just under 2^46, so the integers are exact.
// (The smaller the prime, the less the transforms have to reduce.)
#pragma once

#include <cstdint>
#include <span>

#include "base/secret.h"
#include "lattice/ntt.h"
#include "lattice/pointwise.h"

namespace flash::lattice {

/// A transformed factor with its quotients, to be used more than once. Wiped, as it may be a key.
struct PreparedFactor {
    SecretVector<std::uint64_t> values, quotients;
};

/// The ring and its tables; immutable, shared between threads. Constant time in all polynomials. Polynomials of another
/// size than n: Error(kInternal). Callers bring the memory for intermediate results, and wipe it where a factor is
/// secret.
class ExactProduct {
public:
    explicit ExactProduct(std::size_t n, InstructionSet set = best_instruction_set());
    std::size_t size() const { return ntt_.size(); }

    /// Transform of words mod 2^32 lifted to [-2^31, 2^31), for the products below only: the values are not reduced,
    /// and how far they are depends on the instruction set.
    void transform(std::span<const std::uint32_t> words, std::span<std::uint64_t> out) const;
    /// Transform of a small polynomial.
    void transform(std::span<const std::int8_t> small, std::span<std::uint64_t> out) const;
    PreparedFactor prepare(std::span<const std::uint32_t> words) const;
    PreparedFactor prepare(std::span<const std::int8_t> small) const;

    /// out += (-=) factor * polynomial mod 2^32, exactly one of the two being small; polynomial: transformed.
    /// workspace: n words, which may be the polynomial itself; they hold secrets afterwards if a factor is secret.
    void add_product(const PreparedFactor& factor, std::span<const std::uint64_t> polynomial,
                     std::span<std::uint64_t> workspace, std::span<std::uint32_t> out) const;
    void subtract_product(const PreparedFactor& factor, std::span<const std::uint64_t> polynomial,
                          std::span<std::uint64_t> workspace, std::span<std::uint32_t> out) const;

private:
    template <class Coefficient>
    void lift(std::span<const Coefficient> polynomial, std::span<std::uint64_t> out) const;
    template <class Coefficient>
    PreparedFactor prepared(std::span<const Coefficient> polynomial) const;
    void accumulate(const PreparedFactor& factor, std::span<const std::uint64_t> polynomial,
                    std::span<std::uint64_t> workspace, std::span<std::uint32_t> out, bool subtract) const;
    void check_size(std::size_t size) const;

    InstructionSet set_;
    NttTables ntt_;
    Pointwise pointwise_;
};

}  // namespace flash::lattice
