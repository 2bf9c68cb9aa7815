// Checks, and the choice between the arrangements (lattice/arrangement.h).
#include "lattice/shifted_product.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/siblings.h"
#include "lattice/arrangement.h"
#include "lattice/kernels/multiply_add.h"
#include "lattice/product_choice.h"
#include "lattice/reach.h"
#include "lattice/transform_product.h"

namespace flash::lattice {

namespace {

/// Of the weights that apply_once() transforms at a time: 8 n bytes for each row and input.
constexpr std::size_t kPassingRows = 32, kPassingInputs = 16;

WeightRows rows_of(std::span<const std::int8_t> weights, std::size_t rows, std::size_t columns) {
    require(weights.size() == rows * columns, ErrorKind::kInternal, "shifted product: inconsistent sizes");
    return [=](std::size_t row, std::span<std::int8_t> out) {
        std::ranges::copy(weights.subspan(row * columns, columns), out.begin());
    };
}

}  // namespace

ShiftedProduct::ShiftedProduct(std::size_t n, std::size_t inputs, std::span<const ShiftedInput> columns,
                               std::span<const std::int8_t> weights, std::size_t rows, std::uint32_t multiplier,
                               const ProductUse& use, InstructionSet set)
    : ShiftedProduct(n, inputs, columns, rows_of(weights, rows, columns.size()), rows, multiplier, use, set) {}

ShiftedProduct::ShiftedProduct(std::size_t n, std::size_t inputs, std::span<const ShiftedInput> columns,
                               const WeightRows& weights, std::size_t rows, std::uint32_t multiplier,
                               const ProductUse& use, InstructionSet set)
    : n_(n),
      inputs_(inputs),
      rows_(rows),
      columns_(columns.size()),
      multiplier_(multiplier),
      set_(set) {
    require(std::has_single_bit(n) && n >= 64 && n <= 65536 && use.zero_low_bytes >= 0 && use.zero_low_bytes <= 3,
            ErrorKind::kInternal, "shifted product: inconsistent sizes");
    const auto limit = static_cast<std::int32_t>(n);
    for (const ShiftedInput& column : columns)
        require(column.input < inputs && column.shift >= -limit && column.shift < limit, ErrorKind::kInternal,
                "shifted product: column out of range");
    if (rows == 0 || columns.empty()) return;
    const ProductMatrix matrix{n, inputs, rows, columns, weights, multiplier};
    if (use.method) {
        method_ = *use.method;
    } else {
        const ProductOffer offer = offer_of({n, inputs, rows, columns}, use, product_rates(set), set);
        method_ = choose_methods({&offer, 1}, kTransformBudget).front();
    }
    if (method_ == ProductMethod::kTransform) {
        arrangement_ = arrange_transforms(matrix, set);
    } else {
        auto direct = set >= InstructionSet::kAvx512 ? arrange_bytes(matrix, set) : arrange_words(matrix, set);
        direct_ = direct.get();
        arrangement_ = std::move(direct);
    }
}

ShiftedProduct::~ShiftedProduct() = default;
ShiftedProduct::ShiftedProduct(ShiftedProduct&&) noexcept = default;
ShiftedProduct& ShiftedProduct::operator=(ShiftedProduct&&) noexcept = default;

void ShiftedProduct::apply(std::span<const std::uint32_t> in, const CoefficientTiles& tiles, int zero_low_bytes,
                           std::span<std::uint32_t> out) const {
    require(
        in.size() == inputs_ * n_ && out.size() == rows_ * tiles.words() && zero_low_bytes >= 0 && zero_low_bytes <= 3,
        ErrorKind::kInternal, "shifted product: inconsistent sizes");
    if (!arrangement_ || tiles.count() == 0) return;
    require(tiles.starts().back() < n_, ErrorKind::kInternal, "shifted product: a coefficient past the end");
    arrangement_->apply(in, tiles.starts(), zero_low_bytes, out);
}

void ShiftedProduct::apply_once(std::span<const std::uint32_t> in, std::span<std::uint32_t> out,
                                std::optional<ProductMethod> method) const {
    const auto transforms_pay = [&] {
        return passing_transforms_pay({n_, inputs_, rows_, {}}, direct_->multiply_adds(n_ / kTile, 0), columns_,
                                      product_rates(set_));
    };
    if (direct_ && (method ? *method == ProductMethod::kTransform : transforms_pay()))
        apply_passing_transforms(in, out);
    else
        apply(in, CoefficientTiles::whole(n_), 0, out);
}

void ShiftedProduct::apply_passing_transforms(std::span<const std::uint32_t> in, std::span<std::uint32_t> out) const {
    require(in.size() == inputs_ * n_ && out.size() == rows_ * n_, ErrorKind::kInternal,
            "shifted product: inconsistent sizes");
    const CoefficientTiles whole = CoefficientTiles::whole(n_);
    const std::vector<ShiftedInput> columns = direct_->columns();
    struct Piece {
        std::size_t input, inputs;
        std::vector<ShiftedInput> columns;
        std::vector<std::size_t> from;  // of the whole product
    };
    std::vector<Piece> pieces;
    for (std::size_t input = 0; input < inputs_; input += kPassingInputs)
        pieces.push_back({input, std::min(kPassingInputs, inputs_ - input), {}, {}});
    for (std::size_t c = 0; c < columns.size(); ++c) {
        Piece& piece = pieces[columns[c].input / kPassingInputs];
        piece.columns.push_back({static_cast<std::uint32_t>(columns[c].input - piece.input), columns[c].shift});
        piece.from.push_back(c);
    }
    std::vector<std::int8_t> some(kPassingRows * columns.size());
    for (std::size_t row = 0; row < rows_; row += kPassingRows) {
        const std::size_t rows = std::min(kPassingRows, rows_ - row);
        tbb::parallel_for(std::size_t{0}, rows, [&](std::size_t r) {
            direct_->weights(row + r, std::span(some).subspan(r * columns.size(), columns.size()));
        });
        for (const Piece& piece : pieces) {
            if (piece.columns.empty()) continue;
            const WeightRows weights = [&](std::size_t r, std::span<std::int8_t> to) {
                const std::int8_t* from = some.data() + r * columns.size();
                for (std::size_t c = 0; c < to.size(); ++c) to[c] = from[piece.from[c]];
            };
            arrange_transforms({n_, piece.inputs, rows, piece.columns, weights, multiplier_}, set_)
                ->apply(in.subspan(piece.input * n_, piece.inputs * n_), whole.starts(), 0,
                        out.subspan(row * n_, rows * n_));
        }
    }
}

std::size_t ShiftedProduct::rows() const { return rows_; }
std::size_t ShiftedProduct::inputs() const { return inputs_; }
std::size_t ShiftedProduct::memory_bytes() const { return arrangement_ ? arrangement_->memory_bytes() : 0; }
double ShiftedProduct::multiply_adds(const CoefficientTiles& tiles) const {
    return static_cast<double>(rows_) * static_cast<double>(columns_) * static_cast<double>(tiles.words());
}

void add_scaled_shift(std::span<const std::uint32_t> in, std::int32_t shift, std::uint32_t scale,
                      const CoefficientTiles& tiles, std::span<std::uint32_t> out, InstructionSet set) {
    const auto n = static_cast<std::int32_t>(in.size());
    require(out.size() == tiles.words() && shift >= -n && shift < n, ErrorKind::kInternal,
            "scaled shift: inconsistent sizes");
    const auto kernel = choose_sibling<kernels::MultiplyAdd>(set, {.portable = kernels::multiply_add_portable,
                                                                   .avx2 = FLASH_X86(kernels::multiply_add_avx2),
                                                                   .avx512 = FLASH_X86(kernels::multiply_add_avx512)});
    const Starts starts = tiles.starts();
    for (std::size_t tile = 0; tile < starts.size();) {
        // Tiles that follow each other are one piece.
        std::size_t end = tile + 1;
        while (end < starts.size() && starts[end] == starts[end - 1] + kTile) ++end;
        const std::int64_t first = static_cast<std::int64_t>(starts[tile]) - shift;
        for_pieces({first, first + static_cast<std::int64_t>(kTile * (end - tile))}, in.size(),
                   [&](std::size_t offset, std::size_t from, std::size_t count, bool negate) {
                       kernel(out.data() + kTile * tile + offset, in.data() + from, count, negate ? 0 - scale : scale);
                   });
        tile = end;
    }
}

}  // namespace flash::lattice
