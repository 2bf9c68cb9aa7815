#include <immintrin.h>

#include "model/kernels/gemm.h"

namespace flash::model::kernels {

void gemm_tile_avx2(const double* a, const double* b, std::size_t depth, double* c, std::size_t stride) {
    static_assert(kTileRows == 6 && kTileColumns == 8);
    __m256d low[kTileRows], high[kTileRows];
    for (std::size_t r = 0; r < kTileRows; ++r) low[r] = high[r] = _mm256_setzero_pd();
    for (std::size_t k = 0; k < depth; ++k) {
        const __m256d b0 = _mm256_loadu_pd(b), b1 = _mm256_loadu_pd(b + 4);
#pragma GCC unroll 6
        for (std::size_t r = 0; r < kTileRows; ++r) {
            const __m256d value = _mm256_broadcast_sd(a + r);
            low[r] = _mm256_fmadd_pd(value, b0, low[r]);
            high[r] = _mm256_fmadd_pd(value, b1, high[r]);
        }
        a += kTileRows;
        b += kTileColumns;
    }
    for (std::size_t r = 0; r < kTileRows; ++r) {
        double* row = c + r * stride;
        _mm256_storeu_pd(row, _mm256_add_pd(_mm256_loadu_pd(row), low[r]));
        _mm256_storeu_pd(row + 4, _mm256_add_pd(_mm256_loadu_pd(row + 4), high[r]));
    }
}

}  // namespace flash::model::kernels
