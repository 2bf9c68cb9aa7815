// The transforms on AVX-512 IFMA, eight residues per vector, for p < 2^50: Harvey's lazy butterflies with Shoup
// quotients floor(2^52 w / p). For any x < 2^52, h = floor(x quotient / 2^52) is at most x w / p and less than 2 below
// it, so x w - h p lies in [0, 2p); it is computed mod 2^52. Multiplications ignore bits above the low 52, so a product
// that is only multiplied again needs no masking.
//
// How often sums are reduced depends on how far p is below 2^52 (Reduction). Forward, each level adds 2p to the bound
// and at most 14 levels follow 4p: below 2^47 nothing overflows. Inverse, each level doubles the bound.
//
// The last six levels work on 64 neighbours, eight vectors that stay in registers: three between vectors, three within
// them, where shuffles turn pairs at distance 4, 2 and 1 into pairs of lanes. The levels before take one to three
// levels per pass over memory, again on eight vectors at a time; each part is finished before the next, so that it
// stays in the first-level cache. The inverse transform is the mirror image.
#include <algorithm>

#include "lattice/kernels/ntt_butterfly_avx512.h"

namespace flash::lattice::kernels {

namespace {

// ------------------------------------------------------------------------------------- levels between eight vectors

/// Pair g of four among eight vectors, at a distance of 4, 2 or 1.
constexpr std::size_t lower(std::size_t g, std::size_t distance) { return g / distance * 2 * distance + g % distance; }

/// f(u, v, w) on the four pairs at this distance; root(group) for the pairs that lie in one block.
template <std::size_t kDistance, class RootOf, class F>
[[gnu::always_inline]] inline void level(Vector (&x)[8], const RootOf& root_of, const F& f) {
    Vector u[4], v[4];
    Root w[4];
    each<4>([&](std::size_t g) {
        u[g] = x[lower(g, kDistance)];
        v[g] = x[lower(g, kDistance) + kDistance];
        w[g] = root_of(g / kDistance);
    });
    f(u, v, w);
    each<4>([&](std::size_t g) {
        x[lower(g, kDistance)] = u[g];
        x[lower(g, kDistance) + kDistance] = v[g];
    });
}

/// The roots of up to three successive levels, the first of which has one block, number `index` of the table.
template <std::size_t kLevels>
struct BlockRoots {
    Root first, second[2], third[4];
    BlockRoots(const WideNtt& t, std::size_t index) : first(root(t, index)) {
        if constexpr (kLevels > 1) each<2>([&](std::size_t k) { second[k] = root(t, 2 * index + k); });
        if constexpr (kLevels > 2) each<4>([&](std::size_t k) { third[k] = root(t, 4 * index + k); });
    }
};

/// kGroup: from below 16p to below 8p, which three levels make 14p.
template <Reduction kReduction>
[[gnu::always_inline]] inline void begin_group(const Butterfly<kReduction>& f, Vector (&u)[4]) {
    if constexpr (kReduction == Reduction::kGroup) each<4>([&](std::size_t g) { u[g] = f.below_eight_p(u[g]); });
}

/// kLevels forward levels: distances 4, 2, 1. Products that only go to factors of the next level stay open.
template <std::size_t kLevels, Reduction kReduction>
[[gnu::always_inline]] inline void forward_levels(const Butterfly<kReduction>& f, Vector (&x)[8],
                                                  const BlockRoots<kLevels>& roots) {
    const auto open = [](std::size_t distance) {
        return [=](std::size_t g) { return (lower(g, distance) & (distance / 2)) != 0; };
    };
    const auto closed = [](std::size_t) { return false; };
    level<4>(
        x, [&](std::size_t) { return roots.first; },
        [&](auto& u, auto& v, const auto& w) {
            begin_group(f, u);
            if constexpr (kLevels > 1)
                f.forward(u, v, w, open(4));
            else
                f.forward(u, v, w, closed);
        });
    if constexpr (kLevels > 1)
        level<2>(
            x, [&](std::size_t k) { return roots.second[k]; },
            [&](auto& u, auto& v, const auto& w) {
                if constexpr (kLevels > 2)
                    f.forward(u, v, w, open(2));
                else
                    f.forward(u, v, w, closed);
            });
    if constexpr (kLevels > 2)
        level<1>(
            x, [&](std::size_t k) { return roots.third[k]; },
            [&](auto& u, auto& v, const auto& w) { f.forward(u, v, w, closed); });
}

/// kLevels inverse levels: distances 1, 2, 4, or the last of these. kReduce: sums are below 2p afterwards. kLast: the
/// last level of all, with the scale and the full reduction. Returns the bound of the results.
template <std::size_t kLevels, bool kReduce, bool kLast, Reduction kReduction>
[[gnu::always_inline]] inline Vector inverse_levels(const Butterfly<kReduction>& f, Vector (&x)[8],
                                                    const BlockRoots<kLevels>& roots, const WideNtt& t, Vector bound) {
    if constexpr (kLevels > 2) {
        level<1>(
            x, [&](std::size_t k) { return roots.third[k]; },
            [&](auto& u, auto& v, const auto& w) { f.inverse(u, v, w, bound); });
        bound = f.next_bound(bound);
    }
    if constexpr (kLevels > 1) {
        level<2>(
            x, [&](std::size_t k) { return roots.second[k]; },
            [&](auto& u, auto& v, const auto& w) { f.inverse(u, v, w, bound); });
        bound = f.next_bound(bound);
    }
    level<4>(
        x, [&](std::size_t) { return roots.first; },
        [&](auto& u, auto& v, const auto& w) {
            if constexpr (!kLast) {
                f.inverse(u, v, w, bound);
                if constexpr (kReduce) each<4>([&](std::size_t g) { u[g] = f.reduce(u[g]); });
            } else {
                const Root scale = root(t.scale), last = root(t.scaled_last);
                each<4>([&](std::size_t g) {
                    const Vector difference = Lanes::subtract(Lanes::add(u[g], bound), v[g]);
                    u[g] = Lanes::add(u[g], v[g]);
                    v[g] = difference;
                });
                f.multiply(u, {scale, scale, scale, scale});
                f.multiply(v, {last, last, last, last});
                each<4>([&](std::size_t g) { u[g] = f.below_p(u[g]), v[g] = f.below_p(v[g]); });
            }
        });
    return kReduce ? f.two_p() : f.next_bound(bound);
}

/// Vector m of the eight: column m % columns of part m / columns of a block, 2^kLevels parts in all.
template <std::size_t kLevels>
[[gnu::always_inline]] inline std::size_t place(std::size_t m, std::size_t part) {
    constexpr std::size_t kColumns = 8 >> kLevels;
    return m / kColumns * part + 8 * (m % kColumns);
}

template <std::size_t kLevels, Reduction kReduction>
inline void forward_pass(const Butterfly<kReduction>& f, std::uint64_t* block, std::size_t size, const WideNtt& t,
                         std::size_t index) {
    const BlockRoots<kLevels> roots(t, index);
    const std::size_t part = size >> kLevels;
    for (std::size_t j = 0; j < part; j += 64 >> kLevels) {
        Vector x[8];
        each<8>([&](std::size_t m) { x[m] = Lanes::load(block + j + place<kLevels>(m, part)); });
        forward_levels<kLevels>(f, x, roots);
        each<8>([&](std::size_t m) { Lanes::store(block + j + place<kLevels>(m, part), x[m]); });
    }
}

template <std::size_t kLevels, bool kLast, Reduction kReduction>
inline Vector inverse_pass(const Butterfly<kReduction>& f, std::uint64_t* block, std::size_t size, const WideNtt& t,
                           std::size_t index, Vector bound) {
    const BlockRoots<kLevels> roots(t, index);
    const std::size_t part = size >> kLevels;
    Vector result = bound;
    for (std::size_t j = 0; j < part; j += 64 >> kLevels) {
        Vector x[8];
        each<8>([&](std::size_t m) { x[m] = Lanes::load(block + j + place<kLevels>(m, part)); });
        result = inverse_levels<kLevels, kReduction == Reduction::kGroup, kLast>(f, x, roots, t, bound);
        each<8>([&](std::size_t m) { Lanes::store(block + j + place<kLevels>(m, part), x[m]); });
    }
    return result;
}

// ------------------------------------------------------------------------------------------- six levels on 64
// neighbours

/// Roots of the three innermost levels of 16 neighbours, from a record of WideNtt::inner.
inline Root alternating(const std::uint64_t* pairs) {
    const Vector both = Lanes::load(pairs);
    return {_mm512_unpacklo_epi64(both, both), _mm512_unpackhi_epi64(both, both)};
}
inline Root roots_of_four(const std::uint64_t* record) { return alternating(record); }
inline Root roots_of_two(const std::uint64_t* record) { return alternating(record + 8); }
inline Root roots_of_one(const std::uint64_t* record) { return {Lanes::load(record + 16), Lanes::load(record + 24)}; }

/// index: of the block's root in the table, from n/64. The comments name lanes by their place among 16 neighbours.
/// kLazy: no final reduction.
template <Reduction kReduction, bool kLazy>
[[gnu::always_inline]] inline void forward_64(const Butterfly<kReduction>& f, std::uint64_t* at, const WideNtt& t,
                                              std::size_t index) {
    const std::uint64_t* record = t.inner + 128 * (index - t.n / 64);
    Vector x[8], a[4], b[4], u[4], v[4];
    Root w[4];
    each<8>([&](std::size_t m) { x[m] = Lanes::load(at + 8 * m); });
    forward_levels<3>(f, x, BlockRoots<3>(t, index));
    each<4>([&](std::size_t g) {
        w[g] = roots_of_four(record + 32 * g);
        u[g] = _mm512_shuffle_i64x2(x[2 * g], x[2 * g + 1], 0x44);  // 0-3 8-11
        v[g] = _mm512_shuffle_i64x2(x[2 * g], x[2 * g + 1], 0xee);  // 4-7 12-15
    });
    begin_group(f, u);
    f.forward(u, v, w);
    each<4>([&](std::size_t g) {
        w[g] = roots_of_two(record + 32 * g);
        a[g] = _mm512_shuffle_i64x2(u[g], v[g], 0x88);  // 0 1 8 9 4 5 12 13
        b[g] = _mm512_shuffle_i64x2(u[g], v[g], 0xdd);  // 2 3 10 11 6 7 14 15
    });
    f.forward(a, b, w);
    each<4>([&](std::size_t g) {
        w[g] = roots_of_one(record + 32 * g);
        u[g] = _mm512_unpacklo_epi64(a[g], b[g]);  // 0 2 8 10 4 6 12 14
        v[g] = _mm512_unpackhi_epi64(a[g], b[g]);  // 1 3 9 11 5 7 13 15
    });
    f.forward(u, v, w);
    if constexpr (kReduction != Reduction::kLevel && !kLazy) {
        each<4>([&](std::size_t g) { u[g] = f.reduce(u[g]); });
        each<4>([&](std::size_t g) { v[g] = f.reduce(v[g]); });
    }
    each<4>([&](std::size_t g) {
        if constexpr (!kLazy) {
            u[g] = f.below_p(f.below_two_p(u[g]));
            v[g] = f.below_p(f.below_two_p(v[g]));
        }
        Lanes::store(at + 16 * g, _mm512_permutex2var_epi64(u[g], _mm512_setr_epi64(0, 8, 1, 9, 4, 12, 5, 13), v[g]));
        Lanes::store(at + 16 * g + 8,
                     _mm512_permutex2var_epi64(u[g], _mm512_setr_epi64(2, 10, 3, 11, 6, 14, 7, 15), v[g]));
    });
}

/// Returns the bound of the results. kLast: n = 64.
template <Reduction kReduction, bool kLast>
[[gnu::always_inline]] inline Vector inverse_64(const Butterfly<kReduction>& f, std::uint64_t* at, const WideNtt& t,
                                                std::size_t index) {
    const std::uint64_t* record = t.inner + 128 * (index - t.n / 64);
    const Vector bound1 = f.two_p(), bound2 = f.next_bound(bound1), bound3 = f.next_bound(bound2);
    Vector x[8], a[4], b[4], u[4], v[4];
    Root w[4];
    each<4>([&](std::size_t g) {
        w[g] = roots_of_one(record + 32 * g);
        a[g] = Lanes::load(at + 16 * g);
        b[g] = Lanes::load(at + 16 * g + 8);
        u[g] = _mm512_permutex2var_epi64(a[g], _mm512_setr_epi64(0, 2, 8, 10, 4, 6, 12, 14), b[g]);
        v[g] = _mm512_permutex2var_epi64(a[g], _mm512_setr_epi64(1, 3, 9, 11, 5, 7, 13, 15), b[g]);
    });
    f.inverse(u, v, w, bound1);
    each<4>([&](std::size_t g) {
        w[g] = roots_of_two(record + 32 * g);
        a[g] = _mm512_unpacklo_epi64(u[g], v[g]);
        b[g] = _mm512_unpackhi_epi64(u[g], v[g]);
    });
    f.inverse(a, b, w, bound2);
    each<4>([&](std::size_t g) {
        w[g] = roots_of_four(record + 32 * g);
        u[g] = _mm512_permutex2var_epi64(a[g], _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), b[g]);
        v[g] = _mm512_permutex2var_epi64(a[g], _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), b[g]);
    });
    f.inverse(u, v, w, bound3);
    if constexpr (kReduction == Reduction::kGroup) each<4>([&](std::size_t g) { u[g] = f.reduce(u[g]); });
    const Vector bound4 = kReduction == Reduction::kGroup ? f.two_p() : f.next_bound(bound3);
    each<4>([&](std::size_t g) {
        x[2 * g] = _mm512_shuffle_i64x2(u[g], v[g], 0x44);
        x[2 * g + 1] = _mm512_shuffle_i64x2(u[g], v[g], 0xee);
    });
    constexpr bool kReduce = kReduction == Reduction::kGroup || kReduction == Reduction::kOnce;
    const Vector bound = inverse_levels<3, kReduce, kLast>(f, x, BlockRoots<3>(t, index), t, bound4);
    each<8>([&](std::size_t m) { Lanes::store(at + 8 * m, x[m]); });
    return bound;
}

// ------------------------------------------------------------------------------------------------ the whole transforms

/// Levels of the next pass for a block of this size, so that 64 neighbours are left after the last pass.
inline std::size_t pass_levels(std::size_t size) {
    // Two before three: the eight parts of three levels on 4096 coefficients would all fall into one set of the
    // first-level cache.
    const std::size_t levels = static_cast<std::size_t>(__builtin_ctzll(size)) - 6;
    return levels <= 3 ? levels : 2;
}

template <Reduction kReduction, bool kLazy>
void forward_block(const Butterfly<kReduction>& f, std::uint64_t* x, std::size_t size, const WideNtt& t,
                   std::size_t index) {
    const std::size_t levels = pass_levels(size), part = size >> levels, parts = std::size_t{1} << levels;
    switch (levels) {
        case 1: forward_pass<1>(f, x, size, t, index); break;
        case 2: forward_pass<2>(f, x, size, t, index); break;
        default: forward_pass<3>(f, x, size, t, index); break;
    }
    for (std::size_t k = 0; k < parts; ++k)
        if (part == 64)
            forward_64<kReduction, kLazy>(f, x + k * part, t, (index << levels) + k);
        else
            forward_block<kReduction, kLazy>(f, x + k * part, part, t, (index << levels) + k);
}

template <Reduction kReduction, bool kLazy>
void forward(std::uint64_t* x, const WideNtt& t) {
    const Butterfly<kReduction> f(t);
    if (t.n == 64)
        forward_64<kReduction, kLazy>(f, x, t, 1);
    else
        forward_block<kReduction, kLazy>(f, x, t.n, t, 1);
}

/// Returns the bound of the results.
template <Reduction kReduction, bool kLast>
Vector inverse_block(const Butterfly<kReduction>& f, std::uint64_t* x, std::size_t size, const WideNtt& t,
                     std::size_t index) {
    const std::size_t levels = pass_levels(size), part = size >> levels, parts = std::size_t{1} << levels;
    Vector bound = f.two_p();
    for (std::size_t k = 0; k < parts; ++k)
        bound = part == 64 ? inverse_64<kReduction, false>(f, x + k * part, t, (index << levels) + k)
                           : inverse_block<kReduction, false>(f, x + k * part, part, t, (index << levels) + k);
    switch (levels) {
        case 1: return inverse_pass<1, kLast>(f, x, size, t, index, bound);
        case 2: return inverse_pass<2, kLast>(f, x, size, t, index, bound);
        default: return inverse_pass<3, kLast>(f, x, size, t, index, bound);
    }
}

template <Reduction kReduction>
void inverse(std::uint64_t* x, const WideNtt& t) {
    const Butterfly<kReduction> f(t);
    if (t.n == 64)
        inverse_64<kReduction, true>(f, x, t, 1);
    else
        inverse_block<kReduction, true>(f, x, t.n, t, 1);
}

template <Reduction kReduction>
void forward(std::uint64_t* x, const WideNtt& t, bool lazy) {
    lazy ? forward<kReduction, true>(x, t) : forward<kReduction, false>(x, t);
}

constexpr std::uint64_t power_of_two(int exponent) { return std::uint64_t{1} << exponent; }

}  // namespace

void ntt_forward_avx512(std::uint64_t* x, const WideNtt& t, bool lazy) {
    if (t.p < power_of_two(47))
        forward<Reduction::kNone>(x, t, lazy);
    else if (t.p <= power_of_two(48))
        forward<Reduction::kGroup>(x, t, lazy);
    else
        forward<Reduction::kLevel>(x, t, lazy);
}

void ntt_inverse_avx512(std::uint64_t* x, const WideNtt& t) {
    const int levels = __builtin_ctzll(t.n);
    if (t.p <= power_of_two(51 - levels))
        inverse<Reduction::kNone>(x, t);
    else if (t.p <= power_of_two(std::min(45, 57 - levels)))
        inverse<Reduction::kOnce>(x, t);
    else if (t.p <= power_of_two(48))
        inverse<Reduction::kGroup>(x, t);
    else
        inverse<Reduction::kLevel>(x, t);
}

}  // namespace flash::lattice::kernels
