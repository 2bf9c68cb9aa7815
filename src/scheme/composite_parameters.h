// Parameters of the activations' composite scheme: k values in a slot, one mod each of k primes, whose product P
// divides the modulus q = P Delta of the ciphertexts; and how often an answer is wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lattice/modulus.h"
#include "lattice/security.h"

namespace flash::scheme {

inline constexpr int kMaxCompositeResidues = 8;
inline constexpr int kMaxCompositeProducts = 3;  ///< summands of one answer

/// Integers only: both parties, given the same ones, use the same moduli.
struct CompositeParameters {
    std::size_t degree = 0;  ///< n, slots
    int residues = 0;        ///< k, values in a slot
    int plain_bits = 0;      ///< b: T_1 > ... > T_k are the largest primes = 1 mod 2n below 2^b
    int rank = 0;            ///< products in one answer, at most
    int delta_bits = 0;      ///< of Delta = q / P
    int answer_bits = 0;     ///< of D: an answer is sent mod P D

    /// Bits of q, at most.
    constexpr int modulus_bits() const { return residues * plain_bits + delta_bits; }
    bool operator==(const CompositeParameters&) const = default;
};

/// In range, and inside the security table of 2024.
constexpr bool is_admissible(const CompositeParameters& p) {
    return p.degree >= 4096 && lattice::is_secure(p.degree, p.modulus_bits()) && p.residues >= 1 &&
           p.residues <= kMaxCompositeResidues && p.plain_bits >= 20 && p.plain_bits <= 28 && p.rank >= 1 &&
           p.rank <= kMaxCompositeProducts && p.delta_bits >= 60 && p.answer_bits >= 38 && p.answer_bits <= 94;
}

/// The rings that are offered: (n, k).
struct CompositeShape {
    std::size_t degree;
    int residues;
};
inline constexpr CompositeShape kCompositeShapes[] = {{4096, 1}, {8192, 2}, {8192, 3}, {16384, 6}, {16384, 7}};

namespace internal {
// Least room in which answers are right at all: 2^30 inferences of one answer, two products. A shape that has none with
// the narrowest T would have no parameters.
constexpr bool shapes_have_room() {
    for (const CompositeShape& shape : kCompositeShapes)
        if (!is_admissible({shape.degree, shape.residues, 20, 2, shape.residues * 20 + 49, 49})) return false;
    return true;
}
}  // namespace internal
static_assert(internal::shapes_have_room(), "a shape of the composite scheme is outside the security table of 2024");

inline constexpr int kMaxPairedBits = 25;  ///< of two T whose product is below 2^50

/// All moduli, each 1 mod 2n in every factor and below 2^50. Primes of Delta and D are below 2^47, where transforms
/// need few reductions.
struct CompositeModuli {
    std::vector<std::uint32_t> plain;  ///< T_1, ..., T_k
    /// The T_i again, two in one modulus where they have at most kMaxPairedBits: the transforms of two primes for the
    /// price of one. With an odd k the first one is alone.
    std::vector<lattice::Modulus> groups;
    std::vector<lattice::Modulus> delta;   ///< primes of Delta
    std::vector<lattice::Modulus> answer;  ///< primes of D
};

/// Error(kInvalidArgument) if there are not enough primes.
CompositeModuli composite_moduli(const CompositeParameters& parameters);

/// log2 of the bound of the probability that one of so many coefficients of answers (n for each answer) is rounded
/// wrongly, and so a value of that answer wrong. composite_parameters.cpp has the analysis.
double log2_wrong_rounding(const CompositeParameters& parameters, double coefficients);

/// The fewest bits with which answers of `coefficients` coefficients in all are wrong with probability 2^log_failure at
/// most. Error(kInvalidArgument) where the security table does not allow so many, or for shapes without primes.
CompositeParameters choose_composite_parameters(const CompositeShape& shape, int plain_bits, int rank,
                                                double coefficients, double log_failure = -30);

}  // namespace flash::scheme
