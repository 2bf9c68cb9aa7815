#include <immintrin.h>

#include <cstring>

#include "lattice/kernels/sampling.h"

namespace flash::lattice::kernels {

namespace {

inline __m256i load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }

/// Four digits from each of four words: floor(3 x / 2^64) counts how many of 2^64 / 3 and 2^65 / 3 are at most x.
inline __m128i ternary(__m256i x) {
    const __m256i sign = _mm256_set1_epi64x(static_cast<long long>(1ull << 63));
    const __m256i first = _mm256_xor_si256(_mm256_set1_epi64x(0x5555555555555555), sign);
    const __m256i second = _mm256_xor_si256(_mm256_set1_epi64x(static_cast<long long>(0xaaaaaaaaaaaaaaaa)), sign);
    __m256i digits = _mm256_setzero_si256(), unit = _mm256_set1_epi64x(1);
    for (int k = 0; k < 4; ++k) {
        const __m256i ordered = _mm256_xor_si256(x, sign);
        digits = _mm256_add_epi64(digits, _mm256_and_si256(_mm256_cmpgt_epi64(ordered, first), unit));
        digits = _mm256_add_epi64(digits, _mm256_and_si256(_mm256_cmpgt_epi64(ordered, second), unit));
        unit = _mm256_slli_epi64(unit, 8);
        x = _mm256_add_epi64(x, _mm256_add_epi64(x, x));
    }
    digits = _mm256_permutevar8x32_epi32(digits, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
    return _mm_sub_epi8(_mm256_castsi256_si128(digits), _mm_set1_epi8(1));
}

/// Four values from four pairs of numbers, in the low bytes of the 64-bit lanes.
inline __m256i error(__m256i x) {
    const __m256i ones_of_nibble = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                                    0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i nibble = _mm256_set1_epi8(15), signs = _mm256_set1_epi64x(static_cast<long long>(0xffffffff01010101));
    x = _mm256_and_si256(x, _mm256_set1_epi64x(static_cast<long long>(kErrorMask)));
    // A table in a register: no memory access depends on x.
    const __m256i low = _mm256_shuffle_epi8(ones_of_nibble, _mm256_and_si256(x, nibble));
    const __m256i high = _mm256_shuffle_epi8(ones_of_nibble, _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble));
    const __m256i sums =
        _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_add_epi8(low, high), signs), _mm256_set1_epi16(1));
    return _mm256_add_epi32(sums, _mm256_srli_epi64(sums, 32));
}

}  // namespace

void ternary_avx2(const std::uint64_t* words, std::size_t count, std::int8_t* out) {
    std::size_t i = 0;
    for (; i + 16 <= count; i += 16)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), ternary(load(words + i / 4)));
    ternary_portable(words + i / 4, count - i, out + i);
}

void error_avx2(const std::uint8_t* bytes, std::size_t count, std::int8_t* out) {
    const __m256i spread = _mm256_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1,  //
                                            0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
    const __m256i low_bytes = _mm256_setr_epi8(0, 8, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,  //
                                               -1, -1, 0, 8, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    std::size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        const std::uint8_t* from = bytes + i * kErrorBytes;
        const __m256i pairs =
            _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))),
                                    _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 12)), 1);
        const __m256i picked = _mm256_shuffle_epi8(error(_mm256_shuffle_epi8(pairs, spread)), low_bytes);
        const int four =
            _mm_cvtsi128_si32(_mm_or_si128(_mm256_castsi256_si128(picked), _mm256_extracti128_si256(picked, 1)));
        std::memcpy(out + i, &four, 4);
    }
    error_portable(bytes + i * kErrorBytes, count - i, out + i);
}

}  // namespace flash::lattice::kernels
