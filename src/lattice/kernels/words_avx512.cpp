#include <immintrin.h>

#include "lattice/kernels/words.h"

namespace flash::lattice::kernels {

namespace {

inline __mmask8 first_lanes(std::size_t count) { return static_cast<__mmask8>(count >= 8 ? 0xff : (1u << count) - 1); }
inline __mmask16 first_words(std::size_t count) { return static_cast<__mmask16>(count >= 16 ? 0xffff : (1u << count) - 1); }

}  // namespace

bool add_scaled_avx512(const std::uint32_t* values, std::uint32_t d, std::uint32_t* out, std::size_t count) {
    // Doubles estimate v (2^32 / d) < 2^32 within 2^-19, so its nearest integer is the rounded quotient or a neighbour; the remainder of
    // 2^32 v + floor(d / 2), which is exact, tells which.
    const __m512d ratio = _mm512_set1_pd(0x1p32 / d);
    const __m512i divisor = _mm512_set1_epi64(d), half = _mm512_set1_epi64(d / 2), last = _mm512_set1_epi64(d - 1);
    const __m512i zero = _mm512_setzero_si512(), one = _mm512_set1_epi64(1);
    __mmask8 outside = 0;
    for (std::size_t i = 0; i < count; i += 8) {
        const __mmask8 lanes = first_lanes(count - i);
        const __m256i words = _mm256_maskz_loadu_epi32(lanes, values + i);
        const __m512i v = _mm512_cvtepu32_epi64(words);
        outside = static_cast<__mmask8>(outside | _mm512_cmpgt_epi64_mask(v, last));
        __m512i q = _mm512_cvtpd_epi64(_mm512_mul_pd(_mm512_cvtepi32_pd(words), ratio));
        const __m512i remainder =
            _mm512_sub_epi64(_mm512_add_epi64(_mm512_slli_epi64(v, 32), half), _mm512_mul_epu32(q, divisor));
        q = _mm512_mask_sub_epi64(q, _mm512_cmplt_epi64_mask(remainder, zero), q, one);
        q = _mm512_mask_add_epi64(q, _mm512_cmpgt_epi64_mask(remainder, last), q, one);
        const __m256i sum = _mm256_add_epi32(_mm256_maskz_loadu_epi32(lanes, out + i), _mm512_cvtepi64_epi32(q));
        _mm256_mask_storeu_epi32(out + i, lanes, sum);
    }
    return outside == 0;
}

void add_small_avx512(const std::int8_t* small, std::uint32_t* out, std::size_t count) {
    for (std::size_t i = 0; i < count; i += 16) {
        const __mmask16 lanes = first_words(count - i);
        const __m512i wide = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(lanes, small + i));
        _mm512_mask_storeu_epi32(out + i, lanes, _mm512_add_epi32(_mm512_maskz_loadu_epi32(lanes, out + i), wide));
    }
}

void shift_right_avx512(std::uint32_t* words, std::size_t count, std::uint32_t half, int shift) {
    const __m512i addend = _mm512_set1_epi32(static_cast<int>(half));
    const __m128i bits = _mm_cvtsi32_si128(shift);
    for (std::size_t i = 0; i < count; i += 16) {
        const __mmask16 lanes = first_words(count - i);
        const __m512i sum = _mm512_add_epi32(_mm512_maskz_loadu_epi32(lanes, words + i), addend);
        _mm512_mask_storeu_epi32(words + i, lanes, _mm512_srl_epi32(sum, bits));
    }
}

}  // namespace flash::lattice::kernels
