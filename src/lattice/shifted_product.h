// The linear layer's inner loop: integer combinations of negacyclic shifts of polynomials mod (X^n + 1, 2^32), int8
// weights. With byte-wise multiply-accumulate instructions (VNNI, AMX) a word is taken apart into its four bytes: the
// sum over the inputs is then four products of unsigned bytes and signed weights, put together with byte shifts mod
// 2^32. Inputs are interleaved by fours, so that every shift is a pointer offset (docs/protocol.md, "The linear
// layer"). Where many columns meet in few polynomials, transforms may be cheaper (lattice/transform_product.h). Every
// way gives the same bits. Time depends on the sizes alone: neither on the coefficients nor on the weights, which are
// the server's secret.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "base/instruction_set.h"
#include "lattice/coefficient_tiles.h"

namespace flash::lattice {

class Arrangement;
class DirectArrangement;

/// Writes the weights of one row, one for each column; called from several threads at once.
using WeightRows = std::function<void(std::size_t row, std::span<std::int8_t> out)>;

/// One column of the product: input polynomial `input` times X^shift, -n <= shift < n, where X^n = -1.
struct ShiftedInput {
    std::uint32_t input = 0;
    std::int32_t shift = 0;
    bool operator==(const ShiftedInput&) const = default;
};

enum class ProductMethod {
    kDirect,     ///< on words or bytes
    kTransform,  ///< through number-theoretic transforms; not for all sizes (lattice/transform_product.h)
};

/// How a product will be applied most of the time: for the choice of the method only.
struct ProductUse {
    std::size_t tiles = 0;  ///< tiles that apply() will be asked for; 0: all coefficients
    int zero_low_bytes = 0;
    std::optional<ProductMethod> method;  ///< forced; chosen if empty (lattice/product_choice.h)
};

/// A product with its weights arranged for one instruction set: made once, when a model is loaded. Immutable.
class ShiftedProduct {
public:
    /// weights: int8, row-major, rows x columns. n: a power of two, 64 to 65536. Error(kInternal) on inconsistent sizes
    /// or a column out of range, or where a method is forced that is not for these sizes.
    ShiftedProduct(std::size_t n, std::size_t inputs, std::span<const ShiftedInput> columns,
                   std::span<const std::int8_t> weights, std::size_t rows, std::uint32_t multiplier,
                   const ProductUse& use = {}, InstructionSet set = best_instruction_set());
    /// The same without the whole matrix in memory: rows are asked for as they are arranged, and not kept.
    ShiftedProduct(std::size_t n, std::size_t inputs, std::span<const ShiftedInput> columns, const WeightRows& weights,
                   std::size_t rows, std::uint32_t multiplier, const ProductUse& use = {},
                   InstructionSet set = best_instruction_set());
    ~ShiftedProduct();
    ShiftedProduct(ShiftedProduct&&) noexcept;
    ShiftedProduct& operator=(ShiftedProduct&&) noexcept;

    /// out[r] += multiplier * sum_c weights[r][c] * X^columns[c].shift * in[columns[c].input] mod (X^n + 1, 2^32), for
    /// every row r, at the coefficients of `tiles`.
    ///   in       `inputs` polynomials of n words, contiguous
    ///   out      `rows` polynomials in compact form, tiles.words() words each, contiguous
    ///   zero_low_bytes   so many low bytes (0 to 3) of every input word are zero: their products are left out
    /// Runs in parallel on the current TBB arena.
    void apply(std::span<const std::uint32_t> in, const CoefficientTiles& tiles, int zero_low_bytes,
               std::span<std::uint32_t> out) const;

    /// The same for a product that is needed once: all coefficients, out: `rows` polynomials of n words. Where that
    /// takes less time, weights are transformed piece by piece on the way, a few MiB at a time, and not kept. method:
    /// forced; chosen if empty, or where the weights are held transformed.
    void apply_once(std::span<const std::uint32_t> in, std::span<std::uint32_t> out,
                    std::optional<ProductMethod> method = {}) const;

    std::size_t rows() const;
    std::size_t inputs() const;
    ProductMethod method() const { return method_; }
    /// Bytes held: arranged weights and columns. Transformed weights take 8 n bytes for each row and input.
    std::size_t memory_bytes() const;
    /// Multiply-adds of words in one apply(): rows x columns x computed coefficients, tiles rounded up.
    double multiply_adds(const CoefficientTiles& tiles) const;

private:
    void apply_passing_transforms(std::span<const std::uint32_t> in, std::span<std::uint32_t> out) const;

    std::unique_ptr<const Arrangement> arrangement_;
    const DirectArrangement* direct_ = nullptr;  // the same one, if it is one
    ProductMethod method_ = ProductMethod::kDirect;
    std::size_t n_, inputs_, rows_, columns_;
    std::uint32_t multiplier_;
    InstructionSet set_;
};

/// out += scale * X^shift * in mod (X^n + 1, 2^32) at the coefficients of `tiles`; n = in.size(), -n <= shift < n, out:
/// tiles.words() words. For weights wider than int8: identity shortcuts.
void add_scaled_shift(std::span<const std::uint32_t> in, std::int32_t shift, std::uint32_t scale,
                      const CoefficientTiles& tiles, std::span<std::uint32_t> out,
                      InstructionSet set = best_instruction_set());

}  // namespace flash::lattice
