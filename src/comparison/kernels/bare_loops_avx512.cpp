#include <immintrin.h>

#include <utility>

#include "comparison/kernels/bare_loops.h"

namespace flash::comparison {

namespace {

[[gnu::always_inline]] inline void multiply_add(__m512i& sum, const __m512i& x, const __m512i& w) {
    asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
}

template <int... kIndex>
[[gnu::always_inline]] inline void multiply_adds(__m512i (&sums)[24], const __m512i (&x)[6], const __m512i (&w)[2],
                                                 std::integer_sequence<int, kIndex...>) {
    (..., multiply_add(sums[kIndex], x[kIndex % 6], w[kIndex / 6 % 2]));
}

}  // namespace

double bare_bytes_avx512(std::uint64_t rounds) {
    // Four weights by six vectors as in the kernel (two weights stand for the four).
    __m512i sums[24] = {}, x[6], w[2] = {_mm512_set1_epi32(-77), _mm512_set1_epi32(99)};
    for (int v = 0; v < 6; ++v) x[v] = _mm512_set1_epi32(0x1234567 * (v + 1));
    for (std::uint64_t i = 0; i < rounds; ++i) multiply_adds(sums, x, w, std::make_integer_sequence<int, 24>{});
    return static_cast<double>(rounds) * 24 * 64;
}

}  // namespace flash::comparison
