#include "lattice/kernels/conv_block.h"

namespace flash::lattice::kernels {

void conv_block_portable(const ConvColumn* columns, std::size_t column_count, std::size_t rows, std::size_t begin,
                         std::size_t end, std::uint32_t* const* out) {
    for (std::size_t j = begin; j < end; j += kConvTile) {
        for (std::size_t r = 0; r < rows; ++r) {
            std::uint32_t sums[kConvTile];
            for (std::size_t i = 0; i < kConvTile; ++i) sums[i] = out[r][j + i];
            for (std::size_t c = 0; c < column_count; ++c) {
                const std::uint32_t weight = columns[c].weights[r];
                const std::uint32_t* in = columns[c].coefficients + j;
                for (std::size_t i = 0; i < kConvTile; ++i) sums[i] += weight * in[i];
            }
            for (std::size_t i = 0; i < kConvTile; ++i) out[r][j + i] = sums[i];
        }
    }
}

}  // namespace flash::lattice::kernels
