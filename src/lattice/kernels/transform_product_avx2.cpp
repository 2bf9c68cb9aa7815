// Products of centred doubles, taken apart without error by two fused multiply-adds. With |x|, |w| <= (1/2 + 2^-48) p <
// 2^50, p < 2^50, |x w| < 2^99:
//   h = x w + 3 2^99 lies in [2^100, 2^101), where doubles are multiples of 2^48: it holds x w rounded to one, k 2^48,
//   and its bits are those
//       of 3 2^99 plus k, |k| < 2^51
//   l = x w + (3 2^99 + 3 2^51 - h) is exact: the bracket is a multiple of 2^48 below 2^101 in absolute value (and the
//   sum of the constants a double),
//       and l an integer within 2^47 of 3 2^51; its bits are those of 3 2^51 plus l - 3 2^51
// So the bits of h and l are summed as integers, and the constants' taken off at the end. It needs rounding to nearest,
// and costs the same for all values: they are integers, so none is subnormal.
#include <immintrin.h>

#include "lattice/kernels/transform_product.h"

namespace flash::lattice::kernels {

namespace {

constexpr std::size_t kLanes = 4;
constexpr double kTwo32 = 4294967296.0;
constexpr double kHighMagic = 3.0 * kTwo32 * kTwo32 * kTwo32 * 8.0;  // 3 2^99
constexpr double kLowMagic = 3.0 * kTwo32 * 524288.0;                // 3 2^51

using Doubles = __m256d;
using Integers = __m256i;

inline Integers load(const std::uint64_t* x) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)); }
inline void store(std::uint64_t* x, Integers v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(x), v); }
inline Doubles load_doubles(const std::uint64_t* x) { return _mm256_castsi256_pd(load(x)); }

/// Integers in [0, 2^52) <-> doubles: the bits of 2^52 + x are those of 2^52 with x in the mantissa.
inline Doubles to_doubles(Integers x) {
    const Integers magic = _mm256_set1_epi64x(0x4330000000000000);
    return _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(x, magic)), _mm256_castsi256_pd(magic));
}
inline Integers to_integers(Doubles x) {
    const Integers magic = _mm256_set1_epi64x(0x4330000000000000);
    return _mm256_xor_si256(_mm256_castpd_si256(_mm256_add_pd(x, _mm256_castsi256_pd(magic))), magic);
}

inline Doubles round(Doubles x) { return _mm256_round_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

/// |result| <= (1/2 + 2^-48) p for |x| < 2^53.
inline Doubles reduce(Doubles x, Doubles p, Doubles inverse) {
    return _mm256_fnmadd_pd(round(_mm256_mul_pd(x, inverse)), p, x);
}

/// x f mod p, at most p (1/2 + 2^-20) in absolute value for 0 <= x < 2^32: x f = high + low exactly.
inline Doubles multiply(Doubles x, const FloatFactor& factor, Doubles p) {
    const Doubles f = _mm256_set1_pd(factor.value);
    const Doubles high = _mm256_mul_pd(x, f), low = _mm256_fmsub_pd(x, f, high);
    const Doubles k = round(_mm256_mul_pd(x, _mm256_set1_pd(factor.ratio)));
    return _mm256_add_pd(_mm256_fnmadd_pd(k, p, high), low);
}

/// 2^48 high + low mod p in [0, p) for integers |high|, |low| < 2^61: 2^61 is added to each, and both are cut in two
/// parts of 32 bits.
inline Integers fold(Integers low, Integers high, const TransformPrime& prime, Doubles p, Doubles inverse) {
    const Integers bias = _mm256_set1_epi64x(std::int64_t{1} << 61), mask = _mm256_set1_epi64x(0xffffffff);
    low = _mm256_add_epi64(low, bias);
    high = _mm256_add_epi64(high, bias);
    const Doubles low_0 = to_doubles(_mm256_and_si256(low, mask)), low_1 = to_doubles(_mm256_srli_epi64(low, 32));
    const Doubles high_0 = to_doubles(_mm256_and_si256(high, mask)), high_1 = to_doubles(_mm256_srli_epi64(high, 32));
    // Three products and the offset of at most about p/2 each, and 2^32: below 2^53.
    Doubles sum = _mm256_add_pd(multiply(low_1, prime.two_32, p), multiply(high_0, prime.two_48, p));
    sum = _mm256_add_pd(sum, multiply(high_1, prime.two_80, p));
    sum = reduce(_mm256_add_pd(sum, _mm256_sub_pd(low_0, _mm256_set1_pd(prime.offset))), p, inverse);
    // Negative values get p; adding +0.0 turns -0.0, whose sign bit is set as well, into +0.0.
    sum = _mm256_add_pd(sum, _mm256_setzero_pd());
    return to_integers(_mm256_blendv_pd(sum, _mm256_add_pd(sum, p), sum));
}

void lift(const TransformPrime& prime, const std::uint32_t* words, int shift, std::uint32_t mask, std::uint64_t* out,
          std::size_t count) {
    const __m128i kept = _mm_set1_epi32(static_cast<int>(mask));
    const Integers p = _mm256_set1_epi64x(static_cast<std::int64_t>(prime.wide.p)), zero = _mm256_setzero_si256();
    for (std::size_t j = 0; j < count; j += kLanes) {
        const __m128i word =
            _mm_sra_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(words + j)), _mm_cvtsi32_si128(shift));
        const Integers x = _mm256_cvtepi32_epi64(_mm_and_si128(word, kept));
        store(out + j, _mm256_add_epi64(x, _mm256_and_si256(_mm256_cmpgt_epi64(zero, x), p)));
    }
}

void arrange(const TransformPrime& prime, const std::uint64_t* values, std::uint64_t* out, std::size_t stride,
             std::size_t count) {
    const Doubles p = _mm256_set1_pd(static_cast<double>(prime.wide.p)),
                  inverse = _mm256_set1_pd(1.0 / static_cast<double>(prime.wide.p));
    for (std::size_t j = 0; j < count; j += kLanes, out += stride)
        store(out, _mm256_castpd_si256(reduce(to_doubles(load(values + j)), p, inverse)));
}

template <std::size_t kRows>
void sums_of(const TransformPrime& prime, const std::uint64_t* x, std::size_t parts, const std::uint64_t* w,
             std::size_t inputs, std::uint64_t* sums, std::size_t count) {
    const Doubles p = _mm256_set1_pd(static_cast<double>(prime.wide.p)),
                  inverse = _mm256_set1_pd(1.0 / static_cast<double>(prime.wide.p));
    const Doubles high_magic = _mm256_set1_pd(kHighMagic), both_magic = _mm256_set1_pd(kHighMagic + kLowMagic);
    const Integers high_bits = _mm256_castpd_si256(high_magic),
                   low_bits = _mm256_castpd_si256(_mm256_set1_pd(kLowMagic));
    for (std::size_t j = 0; j < count; j += kLanes, w += inputs * kRows * kLanes)
        for (std::size_t part = 0; part < parts; ++part, x += inputs * kLanes) {
            Integers low[kRows], high[kRows];
            for (std::size_t r = 0; r < kRows; ++r) low[r] = _mm256_setzero_si256();
            for (std::size_t first = 0; first < inputs; first += kTransformInputs) {
                const std::size_t end = inputs - first < kTransformInputs ? inputs : first + kTransformInputs;
                for (std::size_t r = 0; r < kRows; ++r) high[r] = _mm256_setzero_si256();
                for (std::size_t i = first; i < end; ++i) {
                    const Doubles value = load_doubles(x + i * kLanes);
                    for (std::size_t r = 0; r < kRows; ++r) {
                        const Doubles weight = load_doubles(w + (i * kRows + r) * kLanes);
                        const Doubles h = _mm256_fmadd_pd(value, weight, high_magic);
                        const Doubles l = _mm256_fmadd_pd(value, weight, _mm256_sub_pd(both_magic, h));
                        high[r] = _mm256_add_epi64(high[r], _mm256_castpd_si256(h));
                        low[r] = _mm256_add_epi64(low[r], _mm256_castpd_si256(l));
                    }
                }
                // The constants' bits, once for each input: a product of 32 by 64 bits mod 2^64 (the low words of both
                // constants are zero).
                const Integers times = _mm256_set1_epi64x(static_cast<std::int64_t>(end - first));
                const Integers high_times =
                    _mm256_slli_epi64(_mm256_mul_epu32(_mm256_srli_epi64(high_bits, 32), times), 32);
                const Integers low_times =
                    _mm256_slli_epi64(_mm256_mul_epu32(_mm256_srli_epi64(low_bits, 32), times), 32);
                for (std::size_t r = 0; r < kRows; ++r)
                    low[r] = fold(_mm256_sub_epi64(low[r], low_times), _mm256_sub_epi64(high[r], high_times), prime, p,
                                  inverse);
            }
            for (std::size_t r = 0; r < kRows; ++r) store(sums + (part * kRows + r) * count + j, low[r]);
        }
}

void sums(const TransformPrime& prime, const std::uint64_t* x, std::size_t parts, const std::uint64_t* w,
          std::size_t inputs, std::size_t rows, std::uint64_t* sums, std::size_t count) {
    switch (rows) {
        case 1: return sums_of<1>(prime, x, parts, w, inputs, sums, count);
        case 2: return sums_of<2>(prime, x, parts, w, inputs, sums, count);
        case 3: return sums_of<3>(prime, x, parts, w, inputs, sums, count);
        case 4: return sums_of<4>(prime, x, parts, w, inputs, sums, count);
    }
}

void words(const TransformPrime& prime, const std::uint64_t* residues, std::uint32_t* out, std::size_t count) {
    const Integers p = _mm256_set1_epi64x(static_cast<std::int64_t>(prime.wide.p)),
                   half = _mm256_set1_epi64x(static_cast<std::int64_t>(prime.wide.p / 2));
    const __m256i low_words = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
    for (std::size_t j = 0; j < count; j += kLanes) {
        const Integers x = load(residues + j);
        const Integers centred = _mm256_sub_epi64(x, _mm256_and_si256(_mm256_cmpgt_epi64(x, half), p));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + j),
                         _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(centred, low_words)));
    }
}

}  // namespace

const TransformKernels kTransformAvx2 = {kLanes, lift, arrange, sums, words};

}  // namespace flash::lattice::kernels
