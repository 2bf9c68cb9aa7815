// One block of the shifted product on whole words, for instruction sets without byte-wise multiply-accumulate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace flash::lattice::kernels {

inline constexpr std::size_t kWordRows = 4;  ///< rows of a block: accumulators stay in registers

/// One column: where coefficient 0 of its shifted input would stand (negative coefficients and those past n are there
/// too, with their sign), and its weight in each row of the block, already times the multiplier mod 2^32. Rows the
/// block does not have carry weight 0.
struct WordColumn {
    const std::uint32_t* coefficients;
    std::uint32_t weights[kWordRows];
};

/// out[r][16 t + i] += sum_c columns[c].weights[r] * columns[c].coefficients[starts[t] + i] mod 2^32 for r < rows <=
/// kWordRows, every tile t and i < 16.
using WordBlock = void (*)(std::span<const WordColumn> columns, std::size_t rows, std::span<const std::uint32_t> starts,
                           std::uint32_t* const* out);

void shifted_words_portable(std::span<const WordColumn> columns, std::size_t rows,
                            std::span<const std::uint32_t> starts, std::uint32_t* const* out);
void shifted_words_neon(std::span<const WordColumn> columns, std::size_t rows, std::span<const std::uint32_t> starts,
                        std::uint32_t* const* out);
void shifted_words_avx2(std::span<const WordColumn> columns, std::size_t rows, std::span<const std::uint32_t> starts,
                        std::uint32_t* const* out);

}  // namespace flash::lattice::kernels
