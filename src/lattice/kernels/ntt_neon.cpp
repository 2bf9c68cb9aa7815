// The transforms on the floating-point units, two residues per vector, for p < 2^50: as ntt_avx2.cpp, where the bounds
// are proved, with the same operations in the same order.
#include <arm_neon.h>

#include "lattice/kernels/ntt.h"

namespace flash::lattice::kernels {

namespace {

using Vector = float64x2_t;

struct Prime {
    Vector p, inverse;
};

inline Vector multiply(Vector x, Vector w, Vector ratio, const Prime& prime) {
    const Vector high = vmulq_f64(x, w);
    const Vector low = vfmaq_f64(vnegq_f64(high), x, w);
    const Vector k = vrndnq_f64(vmulq_f64(x, ratio));
    return vaddq_f64(vfmsq_f64(high, k, prime.p), low);
}

/// |result| <= (1/2 + 2^-48) p for |x| < 2^53.
inline Vector reduce(Vector x, const Prime& prime) {
    return vfmsq_f64(x, vrndnq_f64(vmulq_f64(x, prime.inverse)), prime.p);
}

inline Vector from_integer(const std::uint64_t* x) { return vcvtq_f64_u64(vld1q_u64(x)); }
/// x: reduced as above; stored in [0, p).
inline void to_integer(std::uint64_t* out, Vector x, const Prime& prime) {
    const uint64x2_t negative = vcltzq_f64(x);
    x = vaddq_f64(x, vreinterpretq_f64_u64(vandq_u64(negative, vreinterpretq_u64_f64(prime.p))));
    vst1q_u64(out, vcvtq_u64_f64(x));
}

// During the transform the same memory holds doubles; loads and stores go through intrinsics of integers.
inline Vector load(const std::uint64_t* x) { return vreinterpretq_f64_u64(vld1q_u64(x)); }
inline void store(std::uint64_t* x, Vector v) { vst1q_u64(x, vreinterpretq_u64_f64(v)); }

struct Root {
    Vector w, ratio;
};
inline Root one_root(const FloatNtt& t, std::size_t i) { return {vdupq_n_f64(t.roots[i]), vdupq_n_f64(t.ratios[i])}; }

/// Of two blocks of four neighbours: the roots of the blocks, of their left and of their right halves.
struct Roots {
    Root blocks, left, right;
    Roots(const FloatNtt& t, std::size_t block)
        : blocks{vld1q_f64(t.roots + block), vld1q_f64(t.ratios + block)},
          left{vuzp1q_f64(vld1q_f64(t.roots + 2 * block), vld1q_f64(t.roots + 2 * block + 2)),
               vuzp1q_f64(vld1q_f64(t.ratios + 2 * block), vld1q_f64(t.ratios + 2 * block + 2))},
          right{vuzp2q_f64(vld1q_f64(t.roots + 2 * block), vld1q_f64(t.roots + 2 * block + 2)),
                vuzp2q_f64(vld1q_f64(t.ratios + 2 * block), vld1q_f64(t.ratios + 2 * block + 2))} {}
};

/// Two blocks of four neighbours, and the i-th of both in x_i.
struct Pair {
    Vector x0, x1, x2, x3;
    Pair(Vector a, Vector b, Vector c, Vector d)
        : x0(vuzp1q_f64(a, c)),
          x1(vuzp2q_f64(a, c)),
          x2(vuzp1q_f64(b, d)),
          x3(vuzp2q_f64(b, d)) {}
    Vector first() const { return vzip1q_f64(x0, x1); }
    Vector second() const { return vzip1q_f64(x2, x3); }
    Vector third() const { return vzip2q_f64(x0, x1); }
    Vector fourth() const { return vzip2q_f64(x2, x3); }
};

inline void forward_pair(Vector& x0, Vector& x1, Vector& x2, Vector& x3, const Root& first, const Root& left,
                         const Root& right, const Prime& prime) {
    x0 = reduce(x0, prime);
    x1 = reduce(x1, prime);
    const Vector y2 = multiply(x2, first.w, first.ratio, prime), y3 = multiply(x3, first.w, first.ratio, prime);
    const Vector a = vaddq_f64(x0, y2), c = vsubq_f64(x0, y2);
    const Vector b = multiply(vaddq_f64(x1, y3), left.w, left.ratio, prime);
    const Vector d = multiply(vsubq_f64(x1, y3), right.w, right.ratio, prime);
    x0 = vaddq_f64(a, b);
    x1 = vsubq_f64(a, b);
    x2 = vaddq_f64(c, d);
    x3 = vsubq_f64(c, d);
}

inline void inverse_pair(Vector& x0, Vector& x1, Vector& x2, Vector& x3, const Root& left, const Root& right,
                         const Root& last, const Prime& prime) {
    const Vector a = vaddq_f64(x0, x1), c = vaddq_f64(x2, x3);
    const Vector b = multiply(vsubq_f64(x0, x1), left.w, left.ratio, prime);
    const Vector d = multiply(vsubq_f64(x2, x3), right.w, right.ratio, prime);
    x0 = reduce(vaddq_f64(a, c), prime);
    x1 = reduce(vaddq_f64(b, d), prime);
    x2 = multiply(vsubq_f64(a, c), last.w, last.ratio, prime);
    x3 = multiply(vsubq_f64(b, d), last.w, last.ratio, prime);
}

}  // namespace

void ntt_forward_neon(std::uint64_t* x, const FloatNtt& t) {
    const Prime prime{vdupq_n_f64(t.p), vdupq_n_f64(1.0 / t.p)};
    for (std::size_t j = 0; j < t.n; j += 2) store(x + j, from_integer(x + j));
    std::size_t blocks = 1, quarter = t.n / 4;
    if (__builtin_ctzll(t.n) % 2) {  // an odd number of levels: one single level first
        const Root root = one_root(t, 1);
        for (std::size_t j = 0; j < t.n / 2; j += 2) {
            const Vector u = reduce(load(x + j), prime), v = multiply(load(x + j + t.n / 2), root.w, root.ratio, prime);
            store(x + j, vaddq_f64(u, v));
            store(x + j + t.n / 2, vsubq_f64(u, v));
        }
        blocks = 2;
        quarter = t.n / 8;
    }
    for (; quarter >= 2; blocks *= 4, quarter /= 4) {
        for (std::size_t block = 0; block < blocks; ++block) {
            const Root first = one_root(t, blocks + block), left = one_root(t, 2 * (blocks + block)),
                       right = one_root(t, 2 * (blocks + block) + 1);
            std::uint64_t* base = x + 4 * quarter * block;
            for (std::size_t j = 0; j < quarter; j += 2) {
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
    for (std::size_t block = 0; block < blocks; block += 2) {
        std::uint64_t* base = x + 4 * block;
        const Roots roots(t, blocks + block);
        Pair pair(load(base), load(base + 2), load(base + 4), load(base + 6));
        forward_pair(pair.x0, pair.x1, pair.x2, pair.x3, roots.blocks, roots.left, roots.right, prime);
        to_integer(base, reduce(pair.first(), prime), prime);
        to_integer(base + 2, reduce(pair.second(), prime), prime);
        to_integer(base + 4, reduce(pair.third(), prime), prime);
        to_integer(base + 6, reduce(pair.fourth(), prime), prime);
    }
}

void ntt_inverse_neon(std::uint64_t* x, const FloatNtt& t) {
    const Prime prime{vdupq_n_f64(t.p), vdupq_n_f64(1.0 / t.p)};
    const Vector scale = vdupq_n_f64(t.scale), scale_ratio = vdupq_n_f64(t.scale / t.p);
    std::size_t blocks = t.n / 4;
    for (std::size_t block = 0; block < blocks; block += 2) {
        std::uint64_t* base = x + 4 * block;
        const Roots roots(t, blocks + block);
        Pair pair(from_integer(base), from_integer(base + 2), from_integer(base + 4), from_integer(base + 6));
        inverse_pair(pair.x0, pair.x1, pair.x2, pair.x3, roots.left, roots.right, roots.blocks, prime);
        store(base, pair.first());
        store(base + 2, pair.second());
        store(base + 4, pair.third());
        store(base + 6, pair.fourth());
    }
    std::size_t quarter = 4;
    for (blocks /= 4; blocks >= 1; blocks /= 4, quarter *= 4) {
        for (std::size_t block = 0; block < blocks; ++block) {
            const Root left = one_root(t, 2 * (blocks + block)), right = one_root(t, 2 * (blocks + block) + 1),
                       last = one_root(t, blocks + block);
            std::uint64_t* base = x + 4 * quarter * block;
            for (std::size_t j = 0; j < quarter; j += 2) {
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
        const Root root = one_root(t, 1);
        for (std::size_t j = 0; j < t.n / 2; j += 2) {
            const Vector u = load(x + j), v = load(x + j + t.n / 2);
            store(x + j, vaddq_f64(u, v));
            store(x + j + t.n / 2, multiply(vsubq_f64(u, v), root.w, root.ratio, prime));
        }
    }
    for (std::size_t j = 0; j < t.n; j += 2)
        to_integer(x + j, reduce(multiply(load(x + j), scale, scale_ratio, prime), prime), prime);
}

}  // namespace flash::lattice::kernels
