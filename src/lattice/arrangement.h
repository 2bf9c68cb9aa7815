// What differs between the ways to compute a shifted product. Behind ShiftedProduct, which checks the arguments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/instruction_set.h"
#include "lattice/shifted_product.h"

namespace flash::lattice {

/// The arguments of ShiftedProduct's constructor; not empty.
struct ProductMatrix {
    std::size_t n, inputs, rows;
    std::span<const ShiftedInput> columns;
    const WeightRows& weights;
    std::uint32_t multiplier;
};

/// Weights arranged for one family of kernels. Immutable.
class Arrangement {
public:
    virtual ~Arrangement() = default;
    /// ShiftedProduct::apply at the tiles that start at `starts`, of which there is at least one.
    virtual void apply(std::span<const std::uint32_t> in, std::span<const std::uint32_t> starts, int zero_low_bytes,
                       std::span<std::uint32_t> out) const = 0;
    virtual std::size_t memory_bytes() const = 0;
    /// What the kernels multiply in one apply(), padding included: words, bytes or residues.
    virtual double multiply_adds(std::size_t tiles, int zero_low_bytes) const = 0;
};

/// One that holds the weights as integers, so that they can be read again.
class DirectArrangement : public Arrangement {
public:
    /// Columns and a row of their weights, columns.size() of them. Padding may come as columns of zeros.
    virtual std::vector<ShiftedInput> columns() const = 0;
    virtual void weights(std::size_t row, std::span<std::int8_t> out) const = 0;
};

std::unique_ptr<const DirectArrangement> arrange_words(const ProductMatrix& matrix, InstructionSet set);
/// For sets from kAvx512 on.
std::unique_ptr<const DirectArrangement> arrange_bytes(const ProductMatrix& matrix, InstructionSet set);

/// multiply_adds() of what arrange_bytes would make.
double byte_multiply_adds(std::span<const ShiftedInput> columns, std::size_t rows, std::size_t tiles,
                          int zero_low_bytes, InstructionSet set);

}  // namespace flash::lattice
