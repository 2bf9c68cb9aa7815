#include "lattice/kernels/shifted_words.h"

namespace flash::lattice::kernels {

void shifted_words_portable(std::span<const WordColumn> columns, std::size_t rows,
                            std::span<const std::uint32_t> starts, std::uint32_t* const* out) {
    constexpr std::size_t kTile = 16;
    for (std::size_t t = 0; t < starts.size(); ++t) {
        for (std::size_t r = 0; r < rows; ++r) {
            std::uint32_t sums[kTile];
            for (std::size_t i = 0; i < kTile; ++i) sums[i] = out[r][kTile * t + i];
            for (const WordColumn& column : columns) {
                const std::uint32_t weight = column.weights[r];
                const std::uint32_t* in = column.coefficients + starts[t];
                for (std::size_t i = 0; i < kTile; ++i) sums[i] += weight * in[i];
            }
            for (std::size_t i = 0; i < kTile; ++i) out[r][kTile * t + i] = sums[i];
        }
    }
}

}  // namespace flash::lattice::kernels
