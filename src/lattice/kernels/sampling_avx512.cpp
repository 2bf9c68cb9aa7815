#include <immintrin.h>

#include "lattice/kernels/sampling.h"

namespace flash::lattice::kernels {

namespace {

constexpr std::uint64_t kEveryByte = 0x0101010101010101;

inline __m512i set1(std::uint64_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); }

/// Four digits from each of eight words: floor(3 x / 2^64) counts how many of 2^64 / 3 and 2^65 / 3 are at most x.
inline __m256i ternary(__m512i x) {
    const __m512i first = set1(0x5555555555555556), second = set1(0xaaaaaaaaaaaaaaab);
    __m512i digits = _mm512_setzero_si512();
    for (int k = 0; k < 4; ++k) {
        const __m512i unit = set1(std::uint64_t{1} << (8 * k));
        digits = _mm512_mask_add_epi64(digits, _mm512_cmpge_epu64_mask(x, first), digits, unit);
        digits = _mm512_mask_add_epi64(digits, _mm512_cmpge_epu64_mask(x, second), digits, unit);
        x = _mm512_add_epi64(x, _mm512_add_epi64(x, x));
    }
    return _mm256_sub_epi8(_mm512_cvtepi64_epi32(digits), _mm256_set1_epi8(1));
}

/// Eight values from eight pairs of numbers.
inline __m128i error(__m512i x) {
    const __m512i counts = _mm512_popcnt_epi32(_mm512_and_si512(x, set1(kErrorMask)));
    return _mm512_cvtepi64_epi8(_mm512_sub_epi32(counts, _mm512_srli_epi64(counts, 32)));
}

/// For each of eight 64-bit lanes the positions of the eight bytes from byte lane * width on.
inline __m512i byte_positions(std::size_t width) {
    return _mm512_add_epi8(_mm512_mullo_epi64(_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), set1(width * kEveryByte)),
                           set1(0x0706050403020100));
}

inline __mmask8 first_lanes(std::size_t count) { return static_cast<__mmask8>(count >= 8 ? 0xff : (1u << count) - 1); }

}  // namespace

void ternary_avx512(const std::uint64_t* words, std::size_t count, std::int8_t* out) {
    std::size_t i = 0;
    for (; i + 32 <= count; i += 32)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), ternary(_mm512_loadu_si512(words + i / 4)));
    if (i < count) {
        const std::size_t rest = count - i;
        _mm256_mask_storeu_epi8(out + i, (__mmask32{1} << rest) - 1,
                                ternary(_mm512_maskz_loadu_epi64(first_lanes((rest + 3) / 4), words + i / 4)));
    }
}

void error_avx512(const std::uint8_t* bytes, std::size_t count, std::int8_t* out) {
    // The top byte of each 32-bit half is arbitrary; the mask clears it.
    const __m512i spread =
        _mm512_add_epi8(_mm512_mullo_epi64(_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), set1(kErrorBytes * kEveryByte)),
                        set1(0x0605040303020100));
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8)
        _mm_storel_epi64(reinterpret_cast<__m128i*>(out + i),
                         error(_mm512_permutexvar_epi8(spread, _mm512_loadu_si512(bytes + i * kErrorBytes))));
    if (i < count)
        _mm_mask_storeu_epi8(out + i, first_lanes(count - i),
                             error(_mm512_permutexvar_epi8(spread, _mm512_loadu_si512(bytes + i * kErrorBytes))));
}

std::size_t accept64_avx512(const std::uint8_t* bytes, std::size_t count, std::size_t width, std::uint64_t mask,
                            std::uint64_t bound, std::uint64_t* out) {
    const __m512i positions = byte_positions(width), masks = set1(mask), bounds = set1(bound);
    std::size_t i = 0, accepted = 0;
    // accepted <= i, so that a store of eight values stays within the first i + 8. A register is compressed and stored
    // whole: storing the selected lanes only is microcode on some processors.
    for (; i + 8 <= count; i += 8) {
        const __m512i x =
            _mm512_and_si512(_mm512_permutexvar_epi8(positions, _mm512_loadu_si512(bytes + i * width)), masks);
        const __mmask8 below = _mm512_cmplt_epu64_mask(x, bounds);
        _mm512_storeu_si512(out + accepted, _mm512_maskz_compress_epi64(below, x));
        accepted += static_cast<std::size_t>(__builtin_popcount(below));
    }
    if (i < count) {
        const __m512i x =
            _mm512_and_si512(_mm512_permutexvar_epi8(positions, _mm512_loadu_si512(bytes + i * width)), masks);
        const auto below = static_cast<__mmask8>(_mm512_cmplt_epu64_mask(x, bounds) & first_lanes(count - i));
        const auto number = static_cast<std::size_t>(__builtin_popcount(below));
        _mm512_mask_storeu_epi64(out + accepted, first_lanes(number), _mm512_maskz_compress_epi64(below, x));
        accepted += number;
    }
    return accepted;
}

}  // namespace flash::lattice::kernels
