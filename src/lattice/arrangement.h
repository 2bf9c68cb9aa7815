// What differs between the ways to compute a shifted product. Behind ShiftedProduct, which checks the arguments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/instruction_set.h"
#include "lattice/shifted_product.h"

namespace flash::lattice {

/// The arguments of ShiftedProduct's constructor; not empty.
struct ProductMatrix {
    std::size_t n, inputs, rows;
    std::span<const ShiftedInput> columns;
    std::span<const std::int8_t> weights;
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

std::unique_ptr<const Arrangement> arrange_words(const ProductMatrix& matrix, InstructionSet set);
/// For sets from kAvx512 on.
std::unique_ptr<const Arrangement> arrange_bytes(const ProductMatrix& matrix, InstructionSet set);

}  // namespace flash::lattice
