// The transforms on the floating-point units, four residues per vector, for p < 2^50. AVX2 has no 64-bit high product,
// but a fused multiply-add gives the exact low part of a product of doubles:
//   h = x w rounded, l = x w - h exactly, k = round(x (w/p)), x w - k p = (h - k p) + l.
// w is centred, |w| <= p/2, so |x w / p| <= |x| / 2. The rounding of w/p and of the product make k differ from x w / p
// by at most 1/2 + 2^-52 |x| / 2: for |x| < 8p < 2^53 that is 3/2, for 4p it is 1, for 2p it is 3/4. So |x w - k p| is
// at most 3p/2, p or 3p/4. h and k p are integers that differ by less than 2^52, and the fused operation rounds only
// their difference: it is exact, and so is the sum with l. All values stay integers below 8p < 2^53; the bounds stand
// at each function.
#include <immintrin.h>

#include "lattice/kernels/ntt.h"

namespace flash::lattice::kernels {

namespace {

using Vector = __m256d;

struct Prime {
    Vector p, inverse;
};

inline Vector multiply(Vector x, Vector w, Vector ratio, const Prime& prime) {
    const Vector high = _mm256_mul_pd(x, w);
    const Vector low = _mm256_fmsub_pd(x, w, high);
    const Vector k = _mm256_round_pd(_mm256_mul_pd(x, ratio), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return _mm256_add_pd(_mm256_fnmadd_pd(k, prime.p, high), low);
}

/// |result| <= (1/2 + 2^-48) p for |x| < 2^53.
inline Vector reduce(Vector x, const Prime& prime) {
    const Vector k = _mm256_round_pd(_mm256_mul_pd(x, prime.inverse), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return _mm256_fnmadd_pd(k, prime.p, x);
}

// Integers in [0, 2^52) <-> doubles: the bits of 2^52 + x are those of 2^52 with x in the mantissa.
inline Vector from_integer(const std::uint64_t* x) {
    const __m256i magic = _mm256_set1_epi64x(0x4330000000000000);
    const __m256i bits = _mm256_or_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)), magic);
    return _mm256_sub_pd(_mm256_castsi256_pd(bits), _mm256_castsi256_pd(magic));
}
/// x: reduced as above; stored in [0, p).
inline void to_integer(std::uint64_t* out, Vector x, const Prime& prime) {
    const __m256i magic = _mm256_set1_epi64x(0x4330000000000000);
    // Negative values get p; a blend by the sign bit, so -0.0 would become p: adding +0.0 first turns it into +0.0.
    x = _mm256_add_pd(x, _mm256_setzero_pd());
    x = _mm256_blendv_pd(x, _mm256_add_pd(x, prime.p), x);
    const __m256i bits = _mm256_castpd_si256(_mm256_add_pd(x, _mm256_castsi256_pd(magic)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_xor_si256(bits, magic));
}

// During the transform the same memory holds doubles; loads and stores go through intrinsics, which may alias.
inline Vector load(const std::uint64_t* x) {
    return _mm256_castsi256_pd(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
}
inline void store(std::uint64_t* x, Vector v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(x), _mm256_castpd_si256(v));
}

struct Root {
    Vector w, ratio;
};
inline Root broadcast_root(const FloatNtt& t, std::size_t i) {
    return {_mm256_broadcast_sd(t.roots + i), _mm256_broadcast_sd(t.ratios + i)};
}
inline Root load_root(const FloatNtt& t, std::size_t i) {
    return {_mm256_loadu_pd(t.roots + i), _mm256_loadu_pd(t.ratios + i)};
}
/// Entries i, i + 2, i + 4, i + 6 (offset 0) and i + 1, i + 3, ... (offset 1) of eight consecutive roots.
inline Vector even(const double* x) {
    const Vector a = _mm256_loadu_pd(x), b = _mm256_loadu_pd(x + 4);
    return _mm256_permute4x64_pd(_mm256_unpacklo_pd(a, b), 0xd8);
}
inline Vector odd(const double* x) {
    const Vector a = _mm256_loadu_pd(x), b = _mm256_loadu_pd(x + 4);
    return _mm256_permute4x64_pd(_mm256_unpackhi_pd(a, b), 0xd8);
}

inline void transpose(Vector& a, Vector& b, Vector& c, Vector& d) {
    const Vector ab_low = _mm256_unpacklo_pd(a, b), ab_high = _mm256_unpackhi_pd(a, b);
    const Vector cd_low = _mm256_unpacklo_pd(c, d), cd_high = _mm256_unpackhi_pd(c, d);
    a = _mm256_permute2f128_pd(ab_low, cd_low, 0x20);
    b = _mm256_permute2f128_pd(ab_high, cd_high, 0x20);
    c = _mm256_permute2f128_pd(ab_low, cd_low, 0x31);
    d = _mm256_permute2f128_pd(ab_high, cd_high, 0x31);
}

/// Two forward levels on x0..x3, a quarter of a block apart. In: |x| <= 4p. x0 and x1 are reduced to p/2, the products
/// of x2 and x3 are at most p, a and c at most 3p/2, b and d (products of at most 3p/2) at most 3p/4. Out: at most
/// 9p/4.
inline void forward_pair(Vector& x0, Vector& x1, Vector& x2, Vector& x3, const Root& first, const Root& left,
                         const Root& right, const Prime& prime) {
    x0 = reduce(x0, prime);
    x1 = reduce(x1, prime);
    const Vector y2 = multiply(x2, first.w, first.ratio, prime), y3 = multiply(x3, first.w, first.ratio, prime);
    const Vector a = _mm256_add_pd(x0, y2), c = _mm256_sub_pd(x0, y2);
    const Vector b = multiply(_mm256_add_pd(x1, y3), left.w, left.ratio, prime);
    const Vector d = multiply(_mm256_sub_pd(x1, y3), right.w, right.ratio, prime);
    x0 = _mm256_add_pd(a, b);
    x1 = _mm256_sub_pd(a, b);
    x2 = _mm256_add_pd(c, d);
    x3 = _mm256_sub_pd(c, d);
}

/// Two inverse levels. In: |x| <= 3p/2. Sums of two are at most 3p, of four 6p, b and d at most p. Out: x0 and x1
/// reduced to p/2, x2 (a product of at most 6p) at most 5p/4, x3 (of at most 2p) at most 3p/4.
inline void inverse_pair(Vector& x0, Vector& x1, Vector& x2, Vector& x3, const Root& left, const Root& right,
                         const Root& last, const Prime& prime) {
    const Vector a = _mm256_add_pd(x0, x1), c = _mm256_add_pd(x2, x3);
    const Vector b = multiply(_mm256_sub_pd(x0, x1), left.w, left.ratio, prime);
    const Vector d = multiply(_mm256_sub_pd(x2, x3), right.w, right.ratio, prime);
    x0 = reduce(_mm256_add_pd(a, c), prime);
    x1 = reduce(_mm256_add_pd(b, d), prime);
    x2 = multiply(_mm256_sub_pd(a, c), last.w, last.ratio, prime);
    x3 = multiply(_mm256_sub_pd(b, d), last.w, last.ratio, prime);
}

}  // namespace

void ntt_forward_avx2(std::uint64_t* x, const FloatNtt& t) {
    const Prime prime{_mm256_set1_pd(t.p), _mm256_set1_pd(1.0 / t.p)};
    for (std::size_t j = 0; j < t.n; j += 4) store(x + j, from_integer(x + j));
    std::size_t blocks = 1, quarter = t.n / 4;
    // An odd number of levels: one single level first. |x| <= 4p, reduced to p/2 or multiplied to p, becomes at most
    // 3p/2.
    if (__builtin_ctzll(t.n) % 2) {
        const Root root = broadcast_root(t, 1);
        for (std::size_t j = 0; j < t.n / 2; j += 4) {
            const Vector u = reduce(load(x + j), prime), v = multiply(load(x + j + t.n / 2), root.w, root.ratio, prime);
            store(x + j, _mm256_add_pd(u, v));
            store(x + j + t.n / 2, _mm256_sub_pd(u, v));
        }
        blocks = 2;
        quarter = t.n / 8;
    }
    for (; quarter >= 4; blocks *= 4, quarter /= 4) {
        for (std::size_t block = 0; block < blocks; ++block) {
            const Root first = broadcast_root(t, blocks + block), left = broadcast_root(t, 2 * (blocks + block)),
                       right = broadcast_root(t, 2 * (blocks + block) + 1);
            std::uint64_t* base = x + 4 * quarter * block;
            for (std::size_t j = 0; j < quarter; j += 4) {
                Vector x0 = load(base + j), x1 = load(base + j + quarter), x2 = load(base + j + 2 * quarter),
                       x3 = load(base + j + 3 * quarter);
                forward_pair(x0, x1, x2, x3, first, left, right, prime);
                store(base + j, x0);
                store(base + j + quarter, x1);
                store(base + j + 2 * quarter, x2);
                store(base + j + 3 * quarter, x3);
            }
        }
    }
    // The last two levels have blocks of four neighbours: four blocks at a time, transposed.
    for (std::size_t block = 0; block < blocks; block += 4) {
        std::uint64_t* base = x + 4 * block;
        const std::size_t pair = 2 * (blocks + block);
        const Root first = load_root(t, blocks + block), left{even(t.roots + pair), even(t.ratios + pair)},
                   right{odd(t.roots + pair), odd(t.ratios + pair)};
        Vector x0 = load(base), x1 = load(base + 4), x2 = load(base + 8), x3 = load(base + 12);
        transpose(x0, x1, x2, x3);
        forward_pair(x0, x1, x2, x3, first, left, right, prime);
        transpose(x0, x1, x2, x3);
        to_integer(base, reduce(x0, prime), prime);
        to_integer(base + 4, reduce(x1, prime), prime);
        to_integer(base + 8, reduce(x2, prime), prime);
        to_integer(base + 12, reduce(x3, prime), prime);
    }
}

void ntt_inverse_avx2(std::uint64_t* x, const FloatNtt& t) {
    const Prime prime{_mm256_set1_pd(t.p), _mm256_set1_pd(1.0 / t.p)};
    const Vector scale = _mm256_set1_pd(t.scale), scale_ratio = _mm256_set1_pd(t.scale / t.p);
    std::size_t blocks = t.n / 4;
    for (std::size_t block = 0; block < blocks; block += 4) {
        std::uint64_t* base = x + 4 * block;
        const std::size_t pair = 2 * (blocks + block);
        const Root left{even(t.roots + pair), even(t.ratios + pair)}, right{odd(t.roots + pair), odd(t.ratios + pair)},
            last = load_root(t, blocks + block);
        Vector x0 = from_integer(base), x1 = from_integer(base + 4), x2 = from_integer(base + 8),
               x3 = from_integer(base + 12);
        transpose(x0, x1, x2, x3);
        inverse_pair(x0, x1, x2, x3, left, right, last, prime);
        transpose(x0, x1, x2, x3);
        store(base, x0);
        store(base + 4, x1);
        store(base + 8, x2);
        store(base + 12, x3);
    }
    std::size_t quarter = 4;
    for (blocks /= 4; blocks >= 1; blocks /= 4, quarter *= 4) {
        for (std::size_t block = 0; block < blocks; ++block) {
            const Root left = broadcast_root(t, 2 * (blocks + block)),
                       right = broadcast_root(t, 2 * (blocks + block) + 1), last = broadcast_root(t, blocks + block);
            std::uint64_t* base = x + 4 * quarter * block;
            for (std::size_t j = 0; j < quarter; j += 4) {
                Vector x0 = load(base + j), x1 = load(base + j + quarter), x2 = load(base + j + 2 * quarter),
                       x3 = load(base + j + 3 * quarter);
                inverse_pair(x0, x1, x2, x3, left, right, last, prime);
                store(base + j, x0);
                store(base + j + quarter, x1);
                store(base + j + 2 * quarter, x2);
                store(base + j + 3 * quarter, x3);
            }
        }
    }
    if (__builtin_ctzll(t.n) % 2) {
        const Root root = broadcast_root(t, 1);
        for (std::size_t j = 0; j < t.n / 2; j += 4) {
            const Vector u = load(x + j), v = load(x + j + t.n / 2);
            store(x + j, _mm256_add_pd(u, v));
            store(x + j + t.n / 2, multiply(_mm256_sub_pd(u, v), root.w, root.ratio, prime));
        }
    }
    for (std::size_t j = 0; j < t.n; j += 4)
        to_integer(x + j, reduce(multiply(load(x + j), scale, scale_ratio, prime), prime), prime);
}

}  // namespace flash::lattice::kernels
