// Four residues per vector for AVX2, which has products of 32 bits only: factors of 52 bits are taken apart into halves
// of 26. For *_avx2.cpp files only: the anonymous namespace keeps the code out of all others. lanes_portable.h is the
// same for one residue.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace flash::lattice::kernels {
namespace {

struct Lanes {
    using Vector = __m256i;
    static constexpr std::size_t kCount = 4;

    static Vector zero() { return _mm256_setzero_si256(); }
    static Vector all(std::uint64_t x) { return _mm256_set1_epi64x(static_cast<long long>(x)); }
    static Vector load(const std::uint64_t* x) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)); }
    static Vector load(const std::uint32_t* x) {
        return _mm256_cvtepu32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
    }
    static Vector load(const std::int32_t* x) {
        return _mm256_cvtepi32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
    }
    static Vector load(const std::int8_t* x) {
        int four;
        std::memcpy(&four, x, sizeof four);
        return _mm256_cvtepi8_epi64(_mm_cvtsi32_si128(four));
    }
    static void store(std::uint64_t* x, Vector v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(x), v); }
    static void store(std::uint32_t* x, Vector v) {
        const __m256i low_words = _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(x), _mm256_castsi256_si128(low_words));
    }

    static Vector add(Vector x, Vector y) { return _mm256_add_epi64(x, y); }
    static Vector subtract(Vector x, Vector y) { return _mm256_sub_epi64(x, y); }
    static Vector bit_and(Vector x, Vector y) { return _mm256_and_si256(x, y); }
    static Vector bit_or(Vector x, Vector y) { return _mm256_or_si256(x, y); }
    /// Counts that are the same for all lanes and public.
    static Vector shift_right(Vector x, int bits) { return _mm256_srl_epi64(x, _mm_cvtsi32_si128(bits)); }
    static Vector shift_left(Vector x, int bits) { return _mm256_sll_epi64(x, _mm_cvtsi32_si128(bits)); }
    /// y where x < bound, else 0; both below 2^63.
    static Vector if_less(Vector x, Vector bound, Vector y) {
        return _mm256_and_si256(_mm256_cmpgt_epi64(bound, x), y);
    }
    /// x - bound if that is not negative, else x; for x, bound < 2^63.
    static Vector subtract_if_at_least(Vector x, Vector bound) {
        const Vector less = _mm256_sub_epi64(x, bound);
        const Vector negative = _mm256_cmpgt_epi64(_mm256_setzero_si256(), less);
        return _mm256_add_epi64(less, _mm256_and_si256(negative, bound));
    }
    /// sum + the low (high) 52 bits of the product of the low 52 bits of x and y.
    static Vector add_low(Vector sum, Vector x, Vector y) {
        const Halves product(x, y);
        const Vector low = _mm256_add_epi64(product.low, _mm256_slli_epi64(product.middle, 26));
        return _mm256_add_epi64(sum, _mm256_and_si256(low, all((std::uint64_t{1} << 52) - 1)));
    }
    static Vector add_high(Vector sum, Vector x, Vector y) {
        const Halves product(x, y);
        const Vector carried = _mm256_add_epi64(product.middle, _mm256_srli_epi64(product.low, 26));
        return _mm256_add_epi64(sum, _mm256_add_epi64(product.high, _mm256_srli_epi64(carried, 26)));
    }

private:
    /// x y = low + 2^26 middle + 2^52 high, for the low 52 bits of both; middle is below 2^53. The compiler leaves out
    /// what is not used.
    struct Halves {
        Vector low, middle, high;
        Halves(Vector x, Vector y) {
            const Vector mask = all((std::uint64_t{1} << 26) - 1);
            const Vector x0 = _mm256_and_si256(x, mask), y0 = _mm256_and_si256(y, mask),
                         x1 = _mm256_and_si256(_mm256_srli_epi64(x, 26), mask),
                         y1 = _mm256_and_si256(_mm256_srli_epi64(y, 26), mask);
            low = _mm256_mul_epu32(x0, y0);
            middle = _mm256_add_epi64(_mm256_mul_epu32(x1, y0), _mm256_mul_epu32(x0, y1));
            high = _mm256_mul_epu32(x1, y1);
        }
    };
};

}  // namespace
}  // namespace flash::lattice::kernels
