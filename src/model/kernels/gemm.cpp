#include "model/kernels/gemm.h"

#include "base/siblings.h"

namespace flash::model::kernels {

void gemm_tile_portable(const double* a, const double* b, std::size_t depth, double* c, std::size_t stride) {
    // Two rows at a time: a tile of 2 x 8 sums fits in the sixteen 128-bit registers of baseline x86-64.
    for (std::size_t r = 0; r < kTileRows; r += 2) {
        double sum0[kTileColumns] = {}, sum1[kTileColumns] = {};
        for (std::size_t k = 0; k < depth; ++k) {
            const double a0 = a[k * kTileRows + r], a1 = a[k * kTileRows + r + 1];
            const double* row = b + k * kTileColumns;
            for (std::size_t j = 0; j < kTileColumns; ++j) {
                sum0[j] += a0 * row[j];
                sum1[j] += a1 * row[j];
            }
        }
        for (std::size_t j = 0; j < kTileColumns; ++j) {
            c[r * stride + j] += sum0[j];
            c[(r + 1) * stride + j] += sum1[j];
        }
    }
}

bool has_avx2() { return supported(InstructionSet::kAvx2); }

GemmTile gemm_tile() {
    static const GemmTile chosen =
        choose_sibling<GemmTile>(has_avx2() ? InstructionSet::kAvx2 : InstructionSet::kPortable,
                                 {.portable = gemm_tile_portable, .avx2 = FLASH_X86(gemm_tile_avx2)});
    return chosen;
}

}  // namespace flash::model::kernels
