// The transforms two residues at a time, for p < 2^50. The product of x < 2^52 by a root w is reduced by an estimate of
// its quotient: with w' = w or w - p, whichever is nearer to 0, k = round(x (w'/p)) in doubles is off x w'/p by 1/2 for
// the rounding, and by at most x 2^-54 + x 2^-54 for the errors of the ratio and of the product: 1 in all. So x w' - k
// p, of which the low 64 bits suffice, is within p of 0, and p more is in [0, 2p]. (w p more than w' is k + x in place
// of k, which the low bits do not care about: x w' - k p = x w - (k + x) p.)
//
// Where p < 2^47, values need no reduction through all levels: each adds 2p at most, so that from 4p they grow to 32p <
// 2^52 in 14 levels. Otherwise they are kept below 4p, as in the portable sibling.
#include <wasm_simd128.h>

#include "lattice/kernels/ntt.h"

namespace flash::lattice::kernels {

namespace {

using Vector = v128_t;

inline Vector all(std::uint64_t x) { return wasm_i64x2_splat(static_cast<std::int64_t>(x)); }
inline Vector load(const std::uint64_t* x) { return wasm_v128_load(x); }
inline void store(std::uint64_t* x, Vector v) { wasm_v128_store(x, v); }

inline Vector subtract_if_at_least(Vector x, Vector bound) {
    const Vector less = wasm_i64x2_sub(x, bound);
    return wasm_i64x2_add(less, wasm_v128_and(wasm_i64x2_lt(less, all(0)), bound));
}

struct Root {
    Vector w, ratio;  ///< w: centred, as a signed number
};

struct Prime {
    Vector p, two_p, half;
    explicit Prime(std::uint64_t prime) : p(all(prime)), two_p(all(2 * prime)), half(all(prime / 2)) {}

    Root root(std::uint64_t w, double ratio) const { return {centred(all(w)), wasm_f64x2_splat(ratio)}; }
    /// Two neighbouring ones.
    Root roots(const std::uint64_t* w, const double* ratios) const {
        return {centred(load(w)), wasm_v128_load(ratios)};
    }
    /// x w mod p in [0, 2p], for x < 2^52.
    Vector multiply(Vector x, const Root& root) const {
        // An integer in the mantissa of a double between 2^52 and 2^53, and back: adding 3 2^51 rounds a product of
        // either sign to an integer in the mantissa.
        const Vector exponent = wasm_f64x2_const_splat(0x1p52), rounding = wasm_f64x2_const_splat(0x1.8p52);
        const Vector as_double = wasm_f64x2_sub(wasm_v128_or(x, exponent), exponent);
        const Vector k = wasm_i64x2_sub(wasm_f64x2_add(wasm_f64x2_mul(as_double, root.ratio), rounding), rounding);
        return wasm_i64x2_add(p, wasm_i64x2_sub(wasm_i64x2_mul(x, root.w), wasm_i64x2_mul(k, p)));
    }

private:
    Vector centred(Vector w) const { return wasm_i64x2_sub(w, wasm_v128_and(wasm_i64x2_gt(w, half), p)); }
};

/// u + w v and u - w v, each in [0, u + 2p].
template <bool kReduce>
inline void forward(Vector& u, Vector& v, const Root& root, const Prime& prime) {
    if constexpr (kReduce) u = subtract_if_at_least(u, prime.two_p);
    const Vector product = prime.multiply(v, root);
    v = wasm_i64x2_add(u, wasm_i64x2_sub(prime.two_p, product));
    u = wasm_i64x2_add(u, product);
}

template <bool kReduce>
void forward_levels(std::uint64_t* x, const EstimatedNtt& tables, const Prime& prime) {
    std::size_t blocks = 1, half = tables.n / 2;
    // Two levels in one pass over the memory.
    for (; half >= 4; blocks *= 4, half /= 4) {
        const std::size_t quarter = half / 2;
        for (std::size_t block = 0; block < blocks; ++block) {
            const Root first = prime.root(tables.roots[blocks + block], tables.ratios[blocks + block]),
                       left = prime.root(tables.roots[2 * (blocks + block)], tables.ratios[2 * (blocks + block)]),
                       right =
                           prime.root(tables.roots[2 * (blocks + block) + 1], tables.ratios[2 * (blocks + block) + 1]);
            std::uint64_t* at = x + 2 * half * block;
            for (std::size_t j = 0; j < quarter; j += 2, at += 2) {
                Vector a = load(at), b = load(at + quarter), c = load(at + half), d = load(at + half + quarter);
                forward<kReduce>(a, c, first, prime);
                forward<kReduce>(b, d, first, prime);
                forward<kReduce>(a, b, left, prime);
                forward<kReduce>(c, d, right, prime);
                store(at, a);
                store(at + quarter, b);
                store(at + half, c);
                store(at + half + quarter, d);
            }
        }
    }
    if (half == 2) {
        for (std::size_t block = 0; block < blocks; ++block) {
            const Root root = prime.root(tables.roots[blocks + block], tables.ratios[blocks + block]);
            std::uint64_t* at = x + 4 * block;
            Vector u = load(at), v = load(at + 2);
            forward<kReduce>(u, v, root, prime);
            store(at, u);
            store(at + 2, v);
        }
        blocks *= 2;
    }
    for (std::size_t block = 0; block < blocks; block += 2) {
        const Root root = prime.roots(tables.roots + blocks + block, tables.ratios + blocks + block);
        std::uint64_t* at = x + 2 * block;
        const Vector a = load(at), b = load(at + 2);
        Vector u = wasm_i64x2_shuffle(a, b, 0, 2), v = wasm_i64x2_shuffle(a, b, 1, 3);
        forward<kReduce>(u, v, root, prime);
        store(at, wasm_i64x2_shuffle(u, v, 0, 2));
        store(at + 2, wasm_i64x2_shuffle(u, v, 1, 3));
    }
}

/// u + v in [0, 2p), and (u - v) w in [0, 2p], for u, v in [0, 2p].
inline void inverse(Vector& u, Vector& v, const Root& root, const Prime& prime) {
    const Vector difference = wasm_i64x2_add(u, wasm_i64x2_sub(prime.two_p, v));
    u = subtract_if_at_least(wasm_i64x2_add(u, v), prime.two_p);
    v = prime.multiply(difference, root);
}

}  // namespace

void ntt_forward_simd128(std::uint64_t* x, const EstimatedNtt& tables, bool lazy) {
    const Prime prime(tables.p);
    const bool small = tables.p < std::uint64_t{1} << 47;
    if (small)
        forward_levels<false>(x, tables, prime);
    else
        forward_levels<true>(x, tables, prime);
    if (lazy) return;
    if (small) {
        const Root one = prime.root(1, 1 / static_cast<double>(tables.p));
        for (std::size_t j = 0; j < tables.n; j += 2) {
            const Vector y = subtract_if_at_least(prime.multiply(load(x + j), one), prime.two_p);
            store(x + j, subtract_if_at_least(y, prime.p));
        }
    } else {
        for (std::size_t j = 0; j < tables.n; j += 2) {
            const Vector y = subtract_if_at_least(subtract_if_at_least(load(x + j), prime.two_p), prime.p);
            store(x + j, subtract_if_at_least(y, prime.p));
        }
    }
}

void ntt_inverse_simd128(std::uint64_t* x, const EstimatedNtt& tables) {
    const Prime prime(tables.p);
    std::size_t blocks = tables.n / 2, half = 1;
    for (std::size_t block = 0; block < blocks; block += 2) {
        const Root root = prime.roots(tables.roots + blocks + block, tables.ratios + blocks + block);
        std::uint64_t* at = x + 2 * block;
        const Vector a = load(at), b = load(at + 2);
        Vector u = wasm_i64x2_shuffle(a, b, 0, 2), v = wasm_i64x2_shuffle(a, b, 1, 3);
        inverse(u, v, root, prime);
        store(at, wasm_i64x2_shuffle(u, v, 0, 2));
        store(at + 2, wasm_i64x2_shuffle(u, v, 1, 3));
    }
    const auto level = [&] {
        for (std::size_t block = 0; block < blocks; ++block) {
            const Root root = prime.root(tables.roots[blocks + block], tables.ratios[blocks + block]);
            std::uint64_t* at = x + 2 * half * block;
            for (std::size_t j = 0; j < half; j += 2, at += 2) {
                Vector u = load(at), v = load(at + half);
                inverse(u, v, root, prime);
                store(at, u);
                store(at + half, v);
            }
        }
    };
    blocks /= 2;
    half *= 2;
    for (; blocks > 1; blocks /= 4, half *= 4) {
        // Two levels in one pass over the memory.
        for (std::size_t block = 0; block < blocks; block += 2) {
            const Root left = prime.root(tables.roots[blocks + block], tables.ratios[blocks + block]),
                       right = prime.root(tables.roots[blocks + block + 1], tables.ratios[blocks + block + 1]),
                       last = prime.root(tables.roots[(blocks + block) / 2], tables.ratios[(blocks + block) / 2]);
            std::uint64_t* at = x + 2 * half * block;
            for (std::size_t j = 0; j < half; j += 2, at += 2) {
                Vector a = load(at), b = load(at + half), c = load(at + 2 * half), d = load(at + 3 * half);
                inverse(a, b, left, prime);
                inverse(c, d, right, prime);
                inverse(a, c, last, prime);
                inverse(b, d, last, prime);
                store(at, a);
                store(at + half, b);
                store(at + 2 * half, c);
                store(at + 3 * half, d);
            }
        }
    }
    if (blocks == 1) level();
    const Root scale = prime.root(tables.scale, tables.scale_ratio);
    for (std::size_t j = 0; j < tables.n; j += 2) {
        const Vector y = subtract_if_at_least(prime.multiply(load(x + j), scale), prime.two_p);
        store(x + j, subtract_if_at_least(y, prime.p));
    }
}

}  // namespace flash::lattice::kernels
