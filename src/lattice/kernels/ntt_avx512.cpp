// The transforms on AVX-512 IFMA, eight residues per vector, for p < 2^50: Harvey's lazy butterflies with Shoup quotients floor(2^52 w / p).
// For any x < 2^52, h = floor(x quotient / 2^52) is at most x w / p and less than 2 below it, so x w - h p lies in [0, 2p); it is computed mod
// 2^52. Multiplications ignore bits above the low 52, so a product that is only multiplied again needs no masking.
//
// Two levels per pass over memory; the last three or four levels (blocks of 8 or 16 neighbours) stay in registers, with shuffles that turn
// pairs at distance 4, 2 and 1 into pairs of lanes. After the first pass each quarter of the polynomial is finished before the next: it
// fits the first-level cache together with its roots.
#include "lattice/kernels/lanes_avx512.h"

#include <utility>

#include "lattice/kernels/ntt.h"

namespace flash::lattice::kernels {

namespace {

using Vector = __m512i;

struct Root {
    Vector w, quotient;
};
inline Root root(const WideNtt& t, std::size_t i) { return {Lanes::all(t.roots[i]), Lanes::all(t.quotients[i])}; }
inline Root root(const ShoupFactor& factor) { return {Lanes::all(factor.value), Lanes::all(factor.quotient)}; }

/// Calls f(0) .. f(kCount - 1), unrolled.
template <std::size_t kCount, class F>
[[gnu::always_inline]] inline void each(const F& f) {
#pragma GCC unroll 16
    for (std::size_t g = 0; g < kCount; ++g) f(g);
}

/// Butterflies on kCount pairs (u, v) at a time, each step for all before the next step: a butterfly is a chain of dependent
/// multiplications, and only so does the processor find enough independent ones in its window.
/// kSmall: p < 2^38, where up to 13 levels of unreduced sums stay below 2^52.
template <bool kSmall>
class Butterfly {
public:
    explicit Butterfly(std::uint64_t p)
        : p_(Lanes::all(p)), two_p_(Lanes::all(2 * p)), minus_p_(Lanes::all(kLow - p + 1)), low_(Lanes::all(kLow)) {}

    /// x[g] = x[g] w[g] mod p in [0, 2p) for x[g] < 2^52; where keep_open(g), bits 52 and above are undefined, which only another
    /// multiplication ignores.
    template <std::size_t kCount, class Open>
    [[gnu::always_inline]] void multiply(Vector (&x)[kCount], const Root (&w)[kCount], const Open& keep_open) const {
        Vector high[kCount], low[kCount];
        each<kCount>([&](std::size_t g) { high[g] = Lanes::add_high(Lanes::zero(), x[g], w[g].quotient); });
        each<kCount>([&](std::size_t g) { low[g] = Lanes::add_low(Lanes::zero(), x[g], w[g].w); });
        each<kCount>([&](std::size_t g) { x[g] = Lanes::add_low(low[g], high[g], minus_p_); });
        each<kCount>([&](std::size_t g) { x[g] = keep_open(g) ? x[g] : Lanes::bit_and(x[g], low_); });
    }
    template <std::size_t kCount>
    [[gnu::always_inline]] void multiply(Vector (&x)[kCount], const Root (&w)[kCount]) const {
        multiply(x, w, [](std::size_t) { return false; });
    }
    Vector below_two_p(Vector x) const { return kSmall ? x : Lanes::subtract_if_at_least(x, two_p_); }
    Vector below_p(Vector x) const { return Lanes::subtract_if_at_least(x, p_); }
    Vector two_p() const { return two_p_; }

    /// One forward level (Cooley-Tukey). In and out: below 4p; kSmall: grows by 2p, to 30p at most. Where keep_open(g), the results are
    /// for multiplication only.
    template <std::size_t kCount, class Open>
    [[gnu::always_inline]] void forward(Vector (&u)[kCount], Vector (&v)[kCount], const Root (&w)[kCount], const Open& keep_open) const {
        each<kCount>([&](std::size_t g) { u[g] = below_two_p(u[g]); });
        multiply(v, w, keep_open);
        each<kCount>([&](std::size_t g) {
            const Vector sum = Lanes::add(u[g], v[g]);
            v[g] = Lanes::subtract(Lanes::add(u[g], two_p_), v[g]);
            u[g] = sum;
        });
    }
    template <std::size_t kCount>
    [[gnu::always_inline]] void forward(Vector (&u)[kCount], Vector (&v)[kCount], const Root (&w)[kCount]) const {
        forward(u, v, w, [](std::size_t) { return false; });
    }
    /// One inverse level (Gentleman-Sande). In and out: below `bound`, which is 2p; kSmall: it doubles, to 2^14 p at most.
    template <std::size_t kCount>
    [[gnu::always_inline]] void inverse(Vector (&u)[kCount], Vector (&v)[kCount], const Root (&w)[kCount], Vector bound) const {
        each<kCount>([&](std::size_t g) {
            const Vector difference = Lanes::subtract(Lanes::add(u[g], bound), v[g]);
            u[g] = Lanes::add(u[g], v[g]);
            v[g] = difference;
        });
        multiply(v, w);
        each<kCount>([&](std::size_t g) { u[g] = below_two_p(u[g]); });
    }
    Vector next_bound(Vector bound) const { return kSmall ? Lanes::add(bound, bound) : bound; }

private:
    static constexpr std::uint64_t kLow = (std::uint64_t{1} << 52) - 1;
    Vector p_, two_p_, minus_p_, low_;
};

// ----------------------------------------------------------------------------------------------- two levels on a block

/// Four times kColumns vectors: element i of quarter k of a block is x[k][i].
template <std::size_t kColumns>
struct Quarters {
    Vector x[4][kColumns];
    Quarters(const std::uint64_t* at, std::size_t quarter) {
        each<4>([&](std::size_t k) { each<kColumns>([&](std::size_t i) { x[k][i] = Lanes::load(at + k * quarter + 8 * i); }); });
    }
    void store(std::uint64_t* at, std::size_t quarter) const {
        each<4>([&](std::size_t k) { each<kColumns>([&](std::size_t i) { Lanes::store(at + k * quarter + 8 * i, x[k][i]); }); });
    }
};

/// f(u, v, w) on the pairs (x[0], x[2]) with root w0 and (x[1], x[3]) with root w1, twice kColumns in all.
template <std::size_t kColumns, class F>
[[gnu::always_inline]] inline void outer_level(Quarters<kColumns>& q, const Root& w0, const Root& w1, const F& f) {
    Vector u[2 * kColumns], v[2 * kColumns];
    Root w[2 * kColumns];
    each<kColumns>([&](std::size_t i) {
        u[2 * i] = q.x[0][i], v[2 * i] = q.x[2][i], w[2 * i] = w0;
        u[2 * i + 1] = q.x[1][i], v[2 * i + 1] = q.x[3][i], w[2 * i + 1] = w1;
    });
    f(u, v, w);
    each<kColumns>([&](std::size_t i) {
        q.x[0][i] = u[2 * i], q.x[2][i] = v[2 * i];
        q.x[1][i] = u[2 * i + 1], q.x[3][i] = v[2 * i + 1];
    });
}
/// The same on (x[0], x[1]) and (x[2], x[3]).
template <std::size_t kColumns, class F>
[[gnu::always_inline]] inline void inner_level(Quarters<kColumns>& q, const Root& w0, const Root& w1, const F& f) {
    each<kColumns>([&](std::size_t i) { std::swap(q.x[1][i], q.x[2][i]); });
    outer_level(q, w0, w1, f);
    each<kColumns>([&](std::size_t i) { std::swap(q.x[1][i], q.x[2][i]); });
}

template <bool kSmall, std::size_t kColumns>
inline void forward_columns(const Butterfly<kSmall>& f, std::uint64_t* x, std::size_t quarter, const WideNtt& t, std::size_t index) {
    const Root first = root(t, index), left = root(t, 2 * index), right = root(t, 2 * index + 1);
    for (std::size_t j = 0; j < quarter; j += 8 * kColumns) {
        Quarters<kColumns> q(x + j, quarter);
        // Products of the odd pairs go into x[1] and x[3], which are only multiplied next; but x[1] has to be reduced before.
        outer_level(q, first, first, [&](auto& u, auto& v, const auto& w) { f.forward(u, v, w, [](std::size_t g) { return g % 2 == 1; }); });
        inner_level(q, left, right, [&](auto& u, auto& v, const auto& w) { f.forward(u, v, w); });
        q.store(x + j, quarter);
    }
}
template <bool kSmall>
inline void forward_block(const Butterfly<kSmall>& f, std::uint64_t* x, std::size_t quarter, const WideNtt& t, std::size_t index) {
    quarter == 8 ? forward_columns<kSmall, 1>(f, x, quarter, t, index) : forward_columns<kSmall, 2>(f, x, quarter, t, index);
}

template <bool kSmall, std::size_t kColumns>
inline void inverse_columns(const Butterfly<kSmall>& f, std::uint64_t* x, std::size_t quarter, const WideNtt& t, std::size_t index, Vector bound) {
    const Root last = root(t, index), left = root(t, 2 * index), right = root(t, 2 * index + 1);
    const Vector next = f.next_bound(bound);
    for (std::size_t j = 0; j < quarter; j += 8 * kColumns) {
        Quarters<kColumns> q(x + j, quarter);
        inner_level(q, left, right, [&](auto& u, auto& v, const auto& w) { f.inverse(u, v, w, bound); });
        outer_level(q, last, last, [&](auto& u, auto& v, const auto& w) { f.inverse(u, v, w, next); });
        q.store(x + j, quarter);
    }
}
template <bool kSmall>
inline void inverse_block(const Butterfly<kSmall>& f, std::uint64_t* x, std::size_t quarter, const WideNtt& t, std::size_t index, Vector bound) {
    quarter == 8 ? inverse_columns<kSmall, 1>(f, x, quarter, t, index, bound) : inverse_columns<kSmall, 2>(f, x, quarter, t, index, bound);
}

/// The last two levels over the whole polynomial, with the factor 1/n in their roots, and the full reduction.
template <bool kSmall>
inline void inverse_outer(const Butterfly<kSmall>& f, std::uint64_t* x, const WideNtt& t, Vector bound) {
    const std::size_t quarter = t.n / 4;
    const Root left = root(t, 2), right = root(t, 3), scale = root(t.scale), last = root(t.scaled_last);
    const Vector next = f.next_bound(bound);
    for (std::size_t j = 0; j < quarter; j += 16) {
        Quarters<2> q(x + j, quarter);
        inner_level(q, left, right, [&](auto& u, auto& v, const auto& w) { f.inverse(u, v, w, bound); });
        outer_level(q, scale, last, [&](auto& u, auto& v, const auto&) {
            each<4>([&](std::size_t g) {
                const Vector difference = Lanes::subtract(Lanes::add(u[g], next), v[g]);
                u[g] = Lanes::add(u[g], v[g]);
                v[g] = difference;
            });
            f.multiply(u, {scale, scale, scale, scale});
            f.multiply(v, {last, last, last, last});
            each<4>([&](std::size_t g) { u[g] = f.below_p(u[g]), v[g] = f.below_p(v[g]); });
        });
        q.store(x + j, quarter);
    }
}

// ------------------------------------------------------------------------------- the innermost levels on 16 neighbours

/// Roots of the three innermost levels of 16 neighbours, from a record of WideNtt::inner.
inline Root roots_of_four(const std::uint64_t* record) {
    const Vector spread = _mm512_setr_epi64(0, 0, 0, 0, 1, 1, 1, 1);
    return {_mm512_permutexvar_epi64(spread, Lanes::load(record)), _mm512_permutexvar_epi64(spread, Lanes::load(record + 8))};
}
inline Root roots_of_two(const std::uint64_t* record) {
    const Vector spread = _mm512_setr_epi64(2, 2, 4, 4, 3, 3, 5, 5);
    return {_mm512_permutexvar_epi64(spread, Lanes::load(record)), _mm512_permutexvar_epi64(spread, Lanes::load(record + 8))};
}
inline Root roots_of_one(const std::uint64_t* record) { return {Lanes::load(record + 16), Lanes::load(record + 24)}; }

constexpr std::size_t kGroup = 4;  // times 16 neighbours side by side

/// The last levels of kGroup times 16 neighbours. kFour: four levels, else three. The comments name lanes by their place among the 16.
template <bool kSmall, bool kFour>
inline void forward_inner(const Butterfly<kSmall>& f, std::uint64_t* x, const WideNtt& t, std::size_t first) {
    const std::uint64_t* record = t.inner + 32 * first;
    Vector a[kGroup], b[kGroup], u[kGroup], v[kGroup];
    Root w[kGroup];
    each<kGroup>([&](std::size_t g) {
        a[g] = Lanes::load(x + 16 * g);
        b[g] = Lanes::load(x + 16 * g + 8);
    });
    if constexpr (kFour) {
        each<kGroup>([&](std::size_t g) { w[g] = root(t, t.n / 16 + first + g); });
        f.forward(a, b, w);
    }
    each<kGroup>([&](std::size_t g) {
        w[g] = roots_of_four(record + 32 * g);
        u[g] = _mm512_shuffle_i64x2(a[g], b[g], 0x44);  // 0-3 8-11
        v[g] = _mm512_shuffle_i64x2(a[g], b[g], 0xee);  // 4-7 12-15
    });
    f.forward(u, v, w);
    each<kGroup>([&](std::size_t g) {
        w[g] = roots_of_two(record + 32 * g);
        a[g] = _mm512_shuffle_i64x2(u[g], v[g], 0x88);  // 0 1 8 9 4 5 12 13
        b[g] = _mm512_shuffle_i64x2(u[g], v[g], 0xdd);  // 2 3 10 11 6 7 14 15
    });
    f.forward(a, b, w);
    each<kGroup>([&](std::size_t g) {
        w[g] = roots_of_one(record + 32 * g);
        u[g] = _mm512_unpacklo_epi64(a[g], b[g]);  // 0 2 8 10 4 6 12 14
        v[g] = _mm512_unpackhi_epi64(a[g], b[g]);  // 1 3 9 11 5 7 13 15
    });
    f.forward(u, v, w);
    if constexpr (kSmall) {
        // floor(2^52 / p) x / 2^52 is less than 2 below x / p, as if 1 were the root.
        const Root one = root({1, t.reciprocal});
        f.multiply(u, {one, one, one, one});
        f.multiply(v, {one, one, one, one});
    }
    each<kGroup>([&](std::size_t g) {
        u[g] = f.below_p(f.below_two_p(u[g]));
        v[g] = f.below_p(f.below_two_p(v[g]));
        Lanes::store(x + 16 * g, _mm512_permutex2var_epi64(u[g], _mm512_setr_epi64(0, 8, 1, 9, 4, 12, 5, 13), v[g]));
        Lanes::store(x + 16 * g + 8, _mm512_permutex2var_epi64(u[g], _mm512_setr_epi64(2, 10, 3, 11, 6, 14, 7, 15), v[g]));
    });
}

/// The first inverse levels, mirroring forward_inner.
template <bool kSmall, bool kFour>
inline void inverse_inner(const Butterfly<kSmall>& f, std::uint64_t* x, const WideNtt& t, std::size_t first) {
    const std::uint64_t* record = t.inner + 32 * first;
    const Vector bound1 = f.two_p(), bound2 = f.next_bound(bound1), bound3 = f.next_bound(bound2), bound4 = f.next_bound(bound3);
    Vector a[kGroup], b[kGroup], u[kGroup], v[kGroup];
    Root w[kGroup];
    each<kGroup>([&](std::size_t g) {
        w[g] = roots_of_one(record + 32 * g);
        a[g] = Lanes::load(x + 16 * g);
        b[g] = Lanes::load(x + 16 * g + 8);
        u[g] = _mm512_permutex2var_epi64(a[g], _mm512_setr_epi64(0, 2, 8, 10, 4, 6, 12, 14), b[g]);
        v[g] = _mm512_permutex2var_epi64(a[g], _mm512_setr_epi64(1, 3, 9, 11, 5, 7, 13, 15), b[g]);
    });
    f.inverse(u, v, w, bound1);
    each<kGroup>([&](std::size_t g) {
        w[g] = roots_of_two(record + 32 * g);
        a[g] = _mm512_unpacklo_epi64(u[g], v[g]);
        b[g] = _mm512_unpackhi_epi64(u[g], v[g]);
    });
    f.inverse(a, b, w, bound2);
    each<kGroup>([&](std::size_t g) {
        w[g] = roots_of_four(record + 32 * g);
        u[g] = _mm512_permutex2var_epi64(a[g], _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), b[g]);
        v[g] = _mm512_permutex2var_epi64(a[g], _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), b[g]);
    });
    f.inverse(u, v, w, bound3);
    each<kGroup>([&](std::size_t g) {
        a[g] = _mm512_shuffle_i64x2(u[g], v[g], 0x44);
        b[g] = _mm512_shuffle_i64x2(u[g], v[g], 0xee);
    });
    if constexpr (kFour) {
        each<kGroup>([&](std::size_t g) { w[g] = root(t, t.n / 16 + first + g); });
        f.inverse(a, b, w, bound4);
    }
    each<kGroup>([&](std::size_t g) {
        Lanes::store(x + 16 * g, a[g]);
        Lanes::store(x + 16 * g + 8, b[g]);
    });
}

// ------------------------------------------------------------------------------------------------ the whole transforms

template <bool kSmall, bool kFour>
void forward(std::uint64_t* x, const WideNtt& t) {
    const Butterfly<kSmall> f(t.p);
    constexpr std::size_t kLast = kFour ? 16 : 8;  // size of the blocks left to the inner levels
    forward_block(f, x, t.n / 4, t, 1);
    const std::size_t quarter_size = t.n / 4;
    for (std::size_t part = 0; part < 4; ++part) {
        std::uint64_t* base = x + part * quarter_size;
        std::size_t blocks = 1;  // in this part
        for (std::size_t size = quarter_size; size > kLast; size /= 4, blocks *= 4)
            for (std::size_t block = 0; block < blocks; ++block)
                forward_block(f, base + block * size, size / 4, t, (4 + part) * blocks + block);
        if (quarter_size >= 16 * kGroup)
            for (std::size_t j = 0; j < quarter_size; j += 16 * kGroup)
                forward_inner<kSmall, kFour>(f, base + j, t, (part * quarter_size + j) / 16);
    }
    if (quarter_size < 16 * kGroup)
        for (std::size_t j = 0; j < t.n; j += 16 * kGroup) forward_inner<kSmall, kFour>(f, x + j, t, j / 16);
}

template <bool kSmall, bool kFour>
void inverse(std::uint64_t* x, const WideNtt& t) {
    const Butterfly<kSmall> f(t.p);
    constexpr std::size_t kLast = kFour ? 16 : 8;
    const std::size_t quarter_size = t.n / 4;
    Vector outer_bound = f.two_p();
    if (quarter_size < 16 * kGroup)
        for (std::size_t j = 0; j < t.n; j += 16 * kGroup) inverse_inner<kSmall, kFour>(f, x + j, t, j / 16);
    for (std::size_t part = 0; part < 4; ++part) {
        std::uint64_t* base = x + part * quarter_size;
        if (quarter_size >= 16 * kGroup)
            for (std::size_t j = 0; j < quarter_size; j += 16 * kGroup)
                inverse_inner<kSmall, kFour>(f, base + j, t, (part * quarter_size + j) / 16);
        Vector bound = f.two_p();
        for (std::size_t levels = kFour ? 4 : 3; levels; --levels) bound = f.next_bound(bound);
        for (std::size_t size = 4 * kLast, blocks = quarter_size / size; size <= quarter_size; size *= 4, blocks /= 4) {
            for (std::size_t block = 0; block < blocks; ++block)
                inverse_block(f, base + block * size, size / 4, t, (4 + part) * blocks + block, bound);
            bound = f.next_bound(f.next_bound(bound));
        }
        outer_bound = bound;
    }
    inverse_outer(f, x, t, outer_bound);
}

}  // namespace

void ntt_forward_avx512(std::uint64_t* x, const WideNtt& t) {
    const bool four = __builtin_ctzll(t.n) % 2 == 0;
    if (t.p < kSmallNttLimit)
        four ? forward<true, true>(x, t) : forward<true, false>(x, t);
    else
        four ? forward<false, true>(x, t) : forward<false, false>(x, t);
}

void ntt_inverse_avx512(std::uint64_t* x, const WideNtt& t) {
    const bool four = __builtin_ctzll(t.n) % 2 == 0;
    if (t.p < kSmallNttLimit)
        four ? inverse<true, true>(x, t) : inverse<true, false>(x, t);
    else
        four ? inverse<false, true>(x, t) : inverse<false, false>(x, t);
}

}  // namespace flash::lattice::kernels
