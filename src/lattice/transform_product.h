// The shifted product through number-theoretic transforms: the columns of a row and an input are one polynomial of
// weights, transformed once; an apply() is a transform for each input, a product and a sum for each value, and an
// inverse transform for each row. It costs the same whatever the number of columns, but computes all coefficients.
//
// The integers must be exact: over a prime p just below 2^50, words taken in [-2^31, 2^31) and int8 weights allow
//   2^31 * 128 * columns < p / 2,   with zero_low_bytes low bytes dropped   2^(31 - 8 zero_low_bytes) * 128 * columns <
//   p / 2.
// Where that does not hold, a word is split into its upper 16 bits and its lower 16: two transforms, and 2^16 * 128 *
// columns < p / 2. The bound counts columns, never weights, which are secret: they must not decide what is computed.
#pragma once

#include <cstddef>
#include <memory>

#include "lattice/arrangement.h"

namespace flash::lattice {

/// Whether the product can be computed through transforms: n from 64 to 8192, fewer than 2^26 columns or a few less.
bool transforms_fit(std::size_t n, std::size_t columns);
/// Parts that a word is taken in: one or two.
int transform_parts(std::size_t n, std::size_t columns, int zero_low_bytes);
/// Bytes of the transformed weights: 8 for each row, input and coefficient.
std::size_t transform_memory_bytes(std::size_t n, std::size_t inputs, std::size_t rows);

/// Error(kInternal) unless transforms_fit.
std::unique_ptr<const Arrangement> arrange_transforms(const ProductMatrix& matrix, InstructionSet set);

/// Seconds of one thread on this processor: of a transform of n = 2048 with what belongs to it, and of a product and
/// sum of one value, the weights being read from beyond the L2 cache. Takes a few milliseconds, on zeros.
struct TransformRates {
    double transform, multiply_add;
};
TransformRates measure_transforms(InstructionSet set);

}  // namespace flash::lattice
