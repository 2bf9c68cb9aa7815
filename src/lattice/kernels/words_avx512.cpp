#include <immintrin.h>

#include "lattice/kernels/words.h"

namespace flash::lattice::kernels {

bool add_scaled_avx512(const std::uint32_t* values, std::uint32_t d, std::uint32_t* out, std::size_t count) {
    // Doubles estimate v (2^32 / d) < 2^32 within 2^-19, so its nearest integer is the rounded quotient or a neighbour;
    // the remainder of 2^32 v + floor(d / 2), which is exact, tells which.
    const __m512d ratio = _mm512_set1_pd(0x1p32 / d);
    const __m512i divisor = _mm512_set1_epi64(d), half = _mm512_set1_epi64(d / 2), last = _mm512_set1_epi64(d - 1);
    const __m512i zero = _mm512_setzero_si512(), one = _mm512_set1_epi64(1);
    __mmask8 outside = 0;
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + i));
        const __m512i v = _mm512_cvtepu32_epi64(words);
        outside = static_cast<__mmask8>(outside | _mm512_cmpgt_epi64_mask(v, last));
        __m512i q = _mm512_cvtpd_epi64(_mm512_mul_pd(_mm512_cvtepi32_pd(words), ratio));
        const __m512i remainder =
            _mm512_sub_epi64(_mm512_add_epi64(_mm512_slli_epi64(v, 32), half), _mm512_mul_epu32(q, divisor));
        q = _mm512_mask_sub_epi64(q, _mm512_cmplt_epi64_mask(remainder, zero), q, one);
        q = _mm512_mask_add_epi64(q, _mm512_cmpgt_epi64_mask(remainder, last), q, one);
        __m256i* to = reinterpret_cast<__m256i*>(out + i);
        _mm256_storeu_si256(to, _mm256_add_epi32(_mm256_loadu_si256(to), _mm512_cvtepi64_epi32(q)));
    }
    const bool rest = add_scaled_portable(values + i, d, out + i, count - i);
    return rest & (outside == 0);
}

void add_small_avx512(const std::int8_t* small, std::uint32_t* out, std::size_t count) {
    std::size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        const __m512i wide = _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(small + i)));
        _mm512_storeu_si512(out + i, _mm512_add_epi32(_mm512_loadu_si512(out + i), wide));
    }
    add_small_portable(small + i, out + i, count - i);
}

void shift_right_avx512(std::uint32_t* words, std::size_t count, std::uint32_t half, int shift) {
    const __m512i addend = _mm512_set1_epi32(static_cast<int>(half));
    const __m128i bits = _mm_cvtsi32_si128(shift);
    std::size_t i = 0;
    for (; i + 16 <= count; i += 16)
        _mm512_storeu_si512(words + i, _mm512_srl_epi32(_mm512_add_epi32(_mm512_loadu_si512(words + i), addend), bits));
    shift_right_portable(words + i, count - i, half, shift);
}

}  // namespace flash::lattice::kernels
