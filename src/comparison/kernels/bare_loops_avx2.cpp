#include <immintrin.h>

#include "comparison/kernels/bare_loops.h"

namespace flash::comparison {

double bare_words_avx2(std::uint64_t rounds) {
    // Four weights by two vectors, as in the kernel.
    __m256i sums[4][2], x[2] = {_mm256_set1_epi32(0x1234567), _mm256_set1_epi32(0x7654321)}, w[4];
    for (int r = 0; r < 4; ++r) {
        sums[r][0] = sums[r][1] = _mm256_setzero_si256();
        w[r] = _mm256_set1_epi32(r - 77);
    }
    for (std::uint64_t i = 0; i < rounds; ++i) {
        asm volatile("" : "+x"(x[0]), "+x"(x[1]));  // keeps the products in the loop
#pragma GCC unroll 4
        for (int r = 0; r < 4; ++r)
            for (int v = 0; v < 2; ++v) sums[r][v] = _mm256_add_epi32(sums[r][v], _mm256_mullo_epi32(x[v], w[r]));
    }
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r)
        for (int v = 0; v < 2; ++v) asm volatile("" : "+x"(sums[r][v]));
    return static_cast<double>(rounds) * 8 * 8;
}

}  // namespace flash::comparison
