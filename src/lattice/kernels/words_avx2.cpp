#include <immintrin.h>

#include "lattice/kernels/words.h"

namespace flash::lattice::kernels {

namespace {

inline __m256i load(const std::uint32_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }
inline void store(std::uint32_t* to, __m256i x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), x); }

}  // namespace

bool add_scaled_avx2(const std::uint32_t* values, std::uint32_t d, std::uint32_t* out, std::size_t count) {
    // Doubles estimate v (2^32 / d) < 2^32 within 2^-19, so its nearest integer is the rounded quotient or a neighbour;
    // the remainder of 2^32 v + floor(d / 2), which is exact, tells which. Adding 2^52 leaves the rounded integer in
    // the mantissa.
    const __m256d ratio = _mm256_set1_pd(0x1p32 / d), magic = _mm256_set1_pd(0x1p52);
    const __m256i divisor = _mm256_set1_epi64x(d), half = _mm256_set1_epi64x(d / 2), last = _mm256_set1_epi64x(d - 1);
    const __m256i zero = _mm256_setzero_si256(), low_words = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
    __m256i outside = zero;
    std::size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        const __m128i words = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values + i));
        const __m256i v = _mm256_cvtepu32_epi64(words);
        outside = _mm256_or_si256(outside, _mm256_cmpgt_epi64(v, last));
        __m256i q = _mm256_castpd_si256(_mm256_add_pd(_mm256_mul_pd(_mm256_cvtepi32_pd(words), ratio), magic));
        const __m256i remainder =
            _mm256_sub_epi64(_mm256_add_epi64(_mm256_slli_epi64(v, 32), half), _mm256_mul_epu32(q, divisor));
        q = _mm256_add_epi64(q, _mm256_cmpgt_epi64(zero, remainder));
        q = _mm256_sub_epi64(q, _mm256_cmpgt_epi64(remainder, last));
        const __m128i quotients = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(q, low_words));
        __m128i* to = reinterpret_cast<__m128i*>(out + i);
        _mm_storeu_si128(to, _mm_add_epi32(_mm_loadu_si128(to), quotients));
    }
    const bool rest = add_scaled_portable(values + i, d, out + i, count - i);
    return rest & (_mm256_testz_si256(outside, outside) != 0);
}

void add_small_avx2(const std::int8_t* small, std::uint32_t* out, std::size_t count) {
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8)
        store(out + i,
              _mm256_add_epi32(load(out + i),
                               _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(small + i)))));
    add_small_portable(small + i, out + i, count - i);
}

void shift_right_avx2(std::uint32_t* words, std::size_t count, std::uint32_t half, int shift) {
    const __m256i addend = _mm256_set1_epi32(static_cast<int>(half));
    const __m128i bits = _mm_cvtsi32_si128(shift);
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8) store(words + i, _mm256_srl_epi32(_mm256_add_epi32(load(words + i), addend), bits));
    shift_right_portable(words + i, count - i, half, shift);
}

}  // namespace flash::lattice::kernels
