// Eight residues per vector for AVX-512 IFMA, whose multiplications take the low 52 bits of both factors and add the
// low or the high 52 bits of the product to 64 bits. For *_avx512.cpp files only: the anonymous namespace keeps the
// code out of all others. lanes_portable.h is the same for one residue.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace flash::lattice::kernels {
namespace {

struct Lanes {
    using Vector = __m512i;
    static constexpr std::size_t kCount = 8;

    static Vector zero() { return _mm512_setzero_si512(); }
    static Vector all(std::uint64_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
    static Vector load(const std::uint64_t* x) { return _mm512_loadu_si512(x); }
    static Vector load(const std::uint32_t* x) {
        return _mm512_cvtepu32_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
    }
    static Vector load(const std::int32_t* x) {
        return _mm512_cvtepi32_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
    }
    static Vector load(const std::int8_t* x) {
        return _mm512_cvtepi8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x)));
    }
    static void store(std::uint64_t* x, Vector v) { _mm512_storeu_si512(x, v); }
    static void store(std::uint32_t* x, Vector v) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(x), _mm512_cvtepi64_epi32(v));
    }

    static Vector add(Vector x, Vector y) { return _mm512_add_epi64(x, y); }
    static Vector subtract(Vector x, Vector y) { return _mm512_sub_epi64(x, y); }
    static Vector bit_and(Vector x, Vector y) { return _mm512_and_si512(x, y); }
    static Vector bit_or(Vector x, Vector y) { return _mm512_or_si512(x, y); }
    /// Counts that are the same for all lanes and public.
    static Vector shift_right(Vector x, int bits) { return _mm512_srl_epi64(x, _mm_cvtsi32_si128(bits)); }
    static Vector shift_left(Vector x, int bits) { return _mm512_sll_epi64(x, _mm_cvtsi32_si128(bits)); }
    /// y where x < bound, else 0; both below 2^63.
    static Vector if_less(Vector x, Vector bound, Vector y) {
        return _mm512_maskz_mov_epi64(_mm512_cmplt_epu64_mask(x, bound), y);
    }
    /// x - bound if that is not negative, else x; for x, bound < 2^63.
    static Vector subtract_if_at_least(Vector x, Vector bound) {
        return _mm512_min_epu64(x, _mm512_sub_epi64(x, bound));
    }
    /// sum + the low (high) 52 bits of the product of the low 52 bits of x and y.
    static Vector add_low(Vector sum, Vector x, Vector y) { return _mm512_madd52lo_epu64(sum, x, y); }
    static Vector add_high(Vector sum, Vector x, Vector y) { return _mm512_madd52hi_epu64(sum, x, y); }
};

}  // namespace
}  // namespace flash::lattice::kernels
