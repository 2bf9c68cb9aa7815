// Multiply-add on four coefficients at a time with the full 32-bit weight, which is one lane of the row's weights:
// sixteen sums, the tile's coefficients and the weights stay in registers.
#include <arm_neon.h>

#include "lattice/kernels/shifted_words.h"

namespace flash::lattice::kernels {

namespace {

template <std::size_t kRows>
void block(std::span<const WordColumn> columns, std::span<const std::uint32_t> starts, std::uint32_t* const* out) {
    constexpr std::size_t kVectors = 4;
    for (std::size_t t = 0; t < starts.size(); ++t) {
        const std::size_t to = 16 * t;
        uint32x4_t sums[kRows][kVectors];
        for (std::size_t r = 0; r < kRows; ++r)
            for (std::size_t v = 0; v < kVectors; ++v) sums[r][v] = vld1q_u32(out[r] + to + 4 * v);
        for (const WordColumn& column : columns) {
            const std::uint32_t* in = column.coefficients + starts[t];
            const uint32x4_t x[kVectors] = {vld1q_u32(in), vld1q_u32(in + 4), vld1q_u32(in + 8), vld1q_u32(in + 12)};
            for (std::size_t r = 0; r < kRows; ++r)
                for (std::size_t v = 0; v < kVectors; ++v)
                    sums[r][v] = vmlaq_n_u32(sums[r][v], x[v], column.weights[r]);
        }
        for (std::size_t r = 0; r < kRows; ++r)
            for (std::size_t v = 0; v < kVectors; ++v) vst1q_u32(out[r] + to + 4 * v, sums[r][v]);
    }
}

}  // namespace

void shifted_words_neon(std::span<const WordColumn> columns, std::size_t rows, std::span<const std::uint32_t> starts,
                        std::uint32_t* const* out) {
    switch (rows) {
        case 1: return block<1>(columns, starts, out);
        case 2: return block<2>(columns, starts, out);
        case 3: return block<3>(columns, starts, out);
        case 4: return block<4>(columns, starts, out);
    }
}

}  // namespace flash::lattice::kernels
