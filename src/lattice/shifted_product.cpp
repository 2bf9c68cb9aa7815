// Checks, and the choice between the arrangements (lattice/arrangement.h).
#include "lattice/shifted_product.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "lattice/arrangement.h"
#include "lattice/kernels/multiply_add.h"
#include "lattice/product_choice.h"
#include "lattice/reach.h"
#include "lattice/transform_product.h"

namespace flash::lattice {

ShiftedProduct::ShiftedProduct(std::size_t n, std::size_t inputs, std::span<const ShiftedInput> columns, std::span<const std::int8_t> weights,
                               std::size_t rows, std::uint32_t multiplier, const ProductUse& use, InstructionSet set)
    : n_(n), inputs_(inputs), rows_(rows), columns_(columns.size()) {
    require(std::has_single_bit(n) && n >= 64 && n <= 65536 && weights.size() == rows * columns.size() && use.zero_low_bytes >= 0 &&
                use.zero_low_bytes <= 3,
            ErrorKind::kInternal, "shifted product: inconsistent sizes");
    const auto limit = static_cast<std::int32_t>(n);
    for (const ShiftedInput& column : columns)
        require(column.input < inputs && column.shift >= -limit && column.shift < limit, ErrorKind::kInternal,
                "shifted product: column out of range");
    if (rows == 0 || columns.empty()) return;
    const ProductMatrix matrix{n, inputs, rows, columns, weights, multiplier};
    if (use.method != ProductMethod::kTransform)
        arrangement_ = set >= InstructionSet::kAvx512 ? arrange_bytes(matrix, set) : arrange_words(matrix, set);
    if (use.method == ProductMethod::kTransform || (!use.method && choose_transforms(matrix, *arrangement_, use, set))) {
        arrangement_ = arrange_transforms(matrix, set);
        method_ = ProductMethod::kTransform;
    }
}

ShiftedProduct::~ShiftedProduct() = default;
ShiftedProduct::ShiftedProduct(ShiftedProduct&&) noexcept = default;
ShiftedProduct& ShiftedProduct::operator=(ShiftedProduct&&) noexcept = default;

void ShiftedProduct::apply(std::span<const std::uint32_t> in, const CoefficientTiles& tiles, int zero_low_bytes, std::span<std::uint32_t> out) const {
    require(in.size() == inputs_ * n_ && out.size() == rows_ * tiles.words() && zero_low_bytes >= 0 && zero_low_bytes <= 3, ErrorKind::kInternal,
            "shifted product: inconsistent sizes");
    if (!arrangement_ || tiles.count() == 0) return;
    require(tiles.starts().back() < n_, ErrorKind::kInternal, "shifted product: a coefficient past the end");
    arrangement_->apply(in, tiles.starts(), zero_low_bytes, out);
}

std::size_t ShiftedProduct::rows() const { return rows_; }
std::size_t ShiftedProduct::inputs() const { return inputs_; }
std::size_t ShiftedProduct::memory_bytes() const { return arrangement_ ? arrangement_->memory_bytes() : 0; }
double ShiftedProduct::multiply_adds(const CoefficientTiles& tiles) const {
    return static_cast<double>(rows_) * static_cast<double>(columns_) * static_cast<double>(tiles.words());
}

void add_scaled_shift(std::span<const std::uint32_t> in, std::int32_t shift, std::uint32_t scale, const CoefficientTiles& tiles,
                      std::span<std::uint32_t> out, InstructionSet set) {
    const auto n = static_cast<std::int32_t>(in.size());
    require(out.size() == tiles.words() && shift >= -n && shift < n, ErrorKind::kInternal, "scaled shift: inconsistent sizes");
    const kernels::MultiplyAdd kernel = set >= InstructionSet::kAvx512  ? kernels::multiply_add_avx512
                                        : set == InstructionSet::kAvx2 ? kernels::multiply_add_avx2
                                                                       : kernels::multiply_add_portable;
    const Starts starts = tiles.starts();
    for (std::size_t tile = 0; tile < starts.size();) {
        // Tiles that follow each other are one piece.
        std::size_t end = tile + 1;
        while (end < starts.size() && starts[end] == starts[end - 1] + kTile) ++end;
        const std::int64_t first = static_cast<std::int64_t>(starts[tile]) - shift;
        for_pieces({first, first + static_cast<std::int64_t>(kTile * (end - tile))}, in.size(), [&](std::size_t offset, std::size_t from, std::size_t count, bool negate) {
            kernel(out.data() + kTile * tile + offset, in.data() + from, count, negate ? 0 - scale : scale);
        });
        tile = end;
    }
}

}  // namespace flash::lattice
