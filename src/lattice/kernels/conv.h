// The linear layer's inner loop: integer combinations of negacyclic shifts of polynomials mod (X^n + 1, 2^32).
// Time depends on the sizes alone: neither on the coefficients nor on the weights, which are the server's secret.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/instruction_set.h"

namespace flash::lattice {

/// One column of the product: input polynomial `input` times X^shift, 0 <= shift < n (a sign for X^n = -1 is already in
/// the weights).
struct ShiftedInput {
    std::uint32_t input;
    std::uint32_t shift;
};

/// out[r] += multiplier * sum_c weights[r * columns.size() + c] * X^columns[c].shift * in[columns[c].input]
/// mod (X^n + 1, 2^32), for every row r.
/// in: input_count polynomials of n words, contiguous; out: `rows` polynomials of n words, contiguous; weights: int8, row-major.
/// n: a power of two, 64 to 65536. Runs in parallel on the current TBB arena. Error(kInternal) on inconsistent sizes or a column
/// out of range.
void shifted_product(std::span<const std::uint32_t> in, std::size_t n, std::span<const ShiftedInput> columns,
                     std::span<const std::int8_t> weights, std::size_t rows, std::uint32_t multiplier,
                     std::span<std::uint32_t> out, InstructionSet set = best_instruction_set());

/// out += scale * X^shift * in mod (X^n + 1, 2^32), n = in.size() = out.size(), shift in [0, 2n). For weights wider than int8.
void add_scaled_shift(std::span<const std::uint32_t> in, std::uint32_t shift, std::uint32_t scale, std::span<std::uint32_t> out);

}  // namespace flash::lattice
