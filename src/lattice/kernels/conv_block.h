// One block of the shifted product, as its instruction-set siblings see it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flash::lattice::kernels {

inline constexpr std::size_t kConvRows = 4;   ///< rows of a block: accumulators stay in registers
inline constexpr std::size_t kConvTile = 16;  ///< coefficients of a tile; divides every block

/// One column: where its shifted coefficients lie, and its weight in each row, already times the
/// common multiplier mod 2^32. Rows the block does not have carry weight 0.
struct ConvColumn {
    const std::uint32_t* coefficients;
    std::uint32_t weights[kConvRows];
};

/// out[r][j] += sum_c columns[c].weights[r] * columns[c].coefficients[j] mod 2^32 for r < rows <= kConvRows, begin <= j < end;
/// begin and end are multiples of kConvTile.
using ConvBlock = void (*)(const ConvColumn* columns, std::size_t column_count, std::size_t rows, std::size_t begin,
                           std::size_t end, std::uint32_t* const* out);

void conv_block_portable(const ConvColumn* columns, std::size_t column_count, std::size_t rows, std::size_t begin,
                         std::size_t end, std::uint32_t* const* out);
void conv_block_avx2(const ConvColumn* columns, std::size_t column_count, std::size_t rows, std::size_t begin,
                     std::size_t end, std::uint32_t* const* out);

}  // namespace flash::lattice::kernels
