// The transforms on AVX-512 IFMA, eight residues per vector, for p < 2^50: Harvey's lazy butterflies with Shoup quotients floor(2^52 w / p).
// For any x < 2^52, h = floor(x quotient / 2^52) is at most x w / p and less than 2 below it, so x w - h p lies in [0, 2p); it is computed mod
// 2^52. Multiplications ignore bits above the low 52, so a product that is only multiplied again needs no masking.
//
// Two levels per pass over memory; the last three or four levels (blocks of 8 or 16 neighbours) stay in registers, with shuffles that turn
// pairs at distance 4, 2 and 1 into pairs of lanes. After the first pass each quarter of the polynomial is finished before the next: it
// fits the first-level cache together with its roots.
#include "lattice/kernels/lanes_avx512.h"
#include "lattice/kernels/ntt.h"

namespace flash::lattice::kernels {

namespace {

using Vector = __m512i;

/// kSmall: p < 2^38, where up to 13 levels of unreduced sums stay below 2^52.
template <bool kSmall>
class Butterfly {
public:
    explicit Butterfly(std::uint64_t p)
        : p_(Lanes::all(p)), two_p_(Lanes::all(2 * p)), minus_p_(Lanes::all(kLow - p + 1)), low_(Lanes::all(kLow)) {}

    /// x w mod p in [0, 2p) for x w taken mod 2^52; bits 52 and above of the result are undefined.
    Vector multiply_open(Vector x, Vector w, Vector quotient) const {
        const Vector high = Lanes::add_high(Lanes::zero(), x, quotient);
        return Lanes::add_low(Lanes::add_low(Lanes::zero(), x, w), high, minus_p_);
    }
    Vector multiply(Vector x, Vector w, Vector quotient) const { return mask(multiply_open(x, w, quotient)); }
    Vector mask(Vector x) const { return Lanes::bit_and(x, low_); }
    Vector below_two_p(Vector x) const { return kSmall ? x : Lanes::subtract_if_at_least(x, two_p_); }
    Vector below_p(Vector x) const { return Lanes::subtract_if_at_least(x, p_); }
    Vector two_p() const { return two_p_; }

    /// One forward level (Cooley-Tukey). In and out: below 4p; kSmall: grows by 2p, to 27p at most.
    void forward(Vector& u, Vector& v, Vector w, Vector quotient) const {
        const Vector sum = below_two_p(u), product = multiply(v, w, quotient);
        u = Lanes::add(sum, product);
        v = Lanes::subtract(Lanes::add(sum, two_p_), product);
    }
    /// One inverse level (Gentleman-Sande). In and out: below `bound`, which is 2p; kSmall: it doubles, to 2^14 p at most.
    void inverse(Vector& u, Vector& v, Vector w, Vector quotient, Vector bound) const {
        const Vector difference = Lanes::subtract(Lanes::add(u, bound), v);
        u = below_two_p(Lanes::add(u, v));
        v = multiply(difference, w, quotient);
    }
    Vector next_bound(Vector bound) const { return kSmall ? Lanes::add(bound, bound) : bound; }

private:
    static constexpr std::uint64_t kLow = (std::uint64_t{1} << 52) - 1;
    Vector p_, two_p_, minus_p_, low_;
};

struct Root {
    Vector w, quotient;
};
inline Root root(const WideNtt& t, std::size_t i) { return {Lanes::all(t.roots[i]), Lanes::all(t.quotients[i])}; }

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

/// Calls f(0) .. f(kGroup - 1): independent work side by side, which hides the latency of one chain of butterflies.
constexpr std::size_t kGroup = 4;
template <class F>
[[gnu::always_inline]] inline void side_by_side(const F& f) {
#pragma GCC unroll 8
    for (std::size_t g = 0; g < kGroup; ++g) f(g);
}

/// Two forward levels on x0..x3, a quarter of a block apart.
template <bool kSmall>
inline void forward_pair(const Butterfly<kSmall>& f, Vector& x0, Vector& x1, Vector& x2, Vector& x3, const Root& first, const Root& left,
                         const Root& right) {
    f.forward(x0, x2, first.w, first.quotient);
    // x1 and x3 are only multiplied next: x1 is reduced, the product stays open.
    const Vector sum = f.below_two_p(x1), product = f.multiply_open(x3, first.w, first.quotient);
    x1 = Lanes::add(sum, product);
    x3 = Lanes::subtract(Lanes::add(sum, f.two_p()), product);
    f.forward(x0, x1, left.w, left.quotient);
    f.forward(x2, x3, right.w, right.quotient);
}

template <bool kSmall>
inline void forward_block(const Butterfly<kSmall>& f, std::uint64_t* x, std::size_t quarter, const WideNtt& t, std::size_t index) {
    const Root first = root(t, index), left = root(t, 2 * index), right = root(t, 2 * index + 1);
    for (std::size_t j = 0; j < quarter; j += Lanes::kCount) {
        std::uint64_t* at = x + j;
        Vector x0 = Lanes::load(at), x1 = Lanes::load(at + quarter), x2 = Lanes::load(at + 2 * quarter), x3 = Lanes::load(at + 3 * quarter);
        forward_pair(f, x0, x1, x2, x3, first, left, right);
        Lanes::store(at, x0);
        Lanes::store(at + quarter, x1);
        Lanes::store(at + 2 * quarter, x2);
        Lanes::store(at + 3 * quarter, x3);
    }
}

/// The last levels of kGroup times 16 neighbours. kFour: four levels, else three. The comments name lanes by their place among the 16.
template <bool kSmall, bool kFour>
inline void forward_inner(const Butterfly<kSmall>& f, std::uint64_t* x, const WideNtt& t, std::size_t first) {
    const std::uint64_t* record = t.inner + 32 * first;
    Vector a[kGroup], b[kGroup], u[kGroup], v[kGroup];
    side_by_side([&](std::size_t g) {
        a[g] = Lanes::load(x + 16 * g);
        b[g] = Lanes::load(x + 16 * g + 8);
    });
    if constexpr (kFour)
        side_by_side([&](std::size_t g) {
            const Root eight = root(t, t.n / 16 + first + g);
            f.forward(a[g], b[g], eight.w, eight.quotient);
        });
    side_by_side([&](std::size_t g) {
        const Root four = roots_of_four(record + 32 * g);
        u[g] = _mm512_shuffle_i64x2(a[g], b[g], 0x44);  // 0-3 8-11
        v[g] = _mm512_shuffle_i64x2(a[g], b[g], 0xee);  // 4-7 12-15
        f.forward(u[g], v[g], four.w, four.quotient);
    });
    side_by_side([&](std::size_t g) {
        const Root two = roots_of_two(record + 32 * g);
        a[g] = _mm512_shuffle_i64x2(u[g], v[g], 0x88);  // 0 1 8 9 4 5 12 13
        b[g] = _mm512_shuffle_i64x2(u[g], v[g], 0xdd);  // 2 3 10 11 6 7 14 15
        f.forward(a[g], b[g], two.w, two.quotient);
    });
    side_by_side([&](std::size_t g) {
        const Root one = roots_of_one(record + 32 * g);
        u[g] = _mm512_unpacklo_epi64(a[g], b[g]);  // 0 2 8 10 4 6 12 14
        v[g] = _mm512_unpackhi_epi64(a[g], b[g]);  // 1 3 9 11 5 7 13 15
        f.forward(u[g], v[g], one.w, one.quotient);
    });
    const Vector one = Lanes::all(1), reciprocal = Lanes::all(t.reciprocal);
    side_by_side([&](std::size_t g) {
        // kSmall: floor(2^52 / p) x / 2^52 is less than 2 below x / p, as if 1 were the root.
        u[g] = f.below_p(kSmall ? f.multiply(u[g], one, reciprocal) : f.below_two_p(u[g]));
        v[g] = f.below_p(kSmall ? f.multiply(v[g], one, reciprocal) : f.below_two_p(v[g]));
        Lanes::store(x + 16 * g, _mm512_permutex2var_epi64(u[g], _mm512_setr_epi64(0, 8, 1, 9, 4, 12, 5, 13), v[g]));
        Lanes::store(x + 16 * g + 8, _mm512_permutex2var_epi64(u[g], _mm512_setr_epi64(2, 10, 3, 11, 6, 14, 7, 15), v[g]));
    });
}

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

/// Two inverse levels on x0..x3.
template <bool kSmall>
inline void inverse_pair(const Butterfly<kSmall>& f, Vector& x0, Vector& x1, Vector& x2, Vector& x3, const Root& left, const Root& right,
                         const Root& last, Vector bound) {
    f.inverse(x0, x1, left.w, left.quotient, bound);
    f.inverse(x2, x3, right.w, right.quotient, bound);
    const Vector next = f.next_bound(bound);
    f.inverse(x0, x2, last.w, last.quotient, next);
    f.inverse(x1, x3, last.w, last.quotient, next);
}

template <bool kSmall>
inline void inverse_block(const Butterfly<kSmall>& f, std::uint64_t* x, std::size_t quarter, const WideNtt& t, std::size_t index, Vector bound) {
    const Root last = root(t, index), left = root(t, 2 * index), right = root(t, 2 * index + 1);
    for (std::size_t j = 0; j < quarter; j += Lanes::kCount) {
        std::uint64_t* at = x + j;
        Vector x0 = Lanes::load(at), x1 = Lanes::load(at + quarter), x2 = Lanes::load(at + 2 * quarter), x3 = Lanes::load(at + 3 * quarter);
        inverse_pair(f, x0, x1, x2, x3, left, right, last, bound);
        Lanes::store(at, x0);
        Lanes::store(at + quarter, x1);
        Lanes::store(at + 2 * quarter, x2);
        Lanes::store(at + 3 * quarter, x3);
    }
}

/// The last two levels over the whole polynomial, with the factor 1/n in their roots, and the full reduction.
template <bool kSmall>
inline void inverse_outer(const Butterfly<kSmall>& f, std::uint64_t* x, const WideNtt& t, Vector bound) {
    const std::size_t quarter = t.n / 4;
    const Root left = root(t, 2), right = root(t, 3), scale{Lanes::all(t.scale.value), Lanes::all(t.scale.quotient)},
               last{Lanes::all(t.scaled_last.value), Lanes::all(t.scaled_last.quotient)};
    const Vector next = f.next_bound(bound);
    for (std::size_t j = 0; j < quarter; j += Lanes::kCount) {
        std::uint64_t* at = x + j;
        Vector x0 = Lanes::load(at), x1 = Lanes::load(at + quarter), x2 = Lanes::load(at + 2 * quarter), x3 = Lanes::load(at + 3 * quarter);
        f.inverse(x0, x1, left.w, left.quotient, bound);
        f.inverse(x2, x3, right.w, right.quotient, bound);
        const auto finish = [&](std::size_t place, Vector value, const Root& r) {
            Lanes::store(at + place * quarter, f.below_p(f.multiply(value, r.w, r.quotient)));
        };
        finish(0, Lanes::add(x0, x2), scale);
        finish(1, Lanes::add(x1, x3), scale);
        finish(2, Lanes::subtract(Lanes::add(x0, next), x2), last);
        finish(3, Lanes::subtract(Lanes::add(x1, next), x3), last);
    }
}

/// The first levels, mirroring forward_inner.
template <bool kSmall, bool kFour>
inline void inverse_inner(const Butterfly<kSmall>& f, std::uint64_t* x, const WideNtt& t, std::size_t first) {
    const std::uint64_t* record = t.inner + 32 * first;
    const Vector bound1 = f.two_p(), bound2 = f.next_bound(bound1), bound3 = f.next_bound(bound2), bound4 = f.next_bound(bound3);
    Vector a[kGroup], b[kGroup], u[kGroup], v[kGroup];
    side_by_side([&](std::size_t g) {
        const Root one = roots_of_one(record + 32 * g);
        a[g] = Lanes::load(x + 16 * g);
        b[g] = Lanes::load(x + 16 * g + 8);
        u[g] = _mm512_permutex2var_epi64(a[g], _mm512_setr_epi64(0, 2, 8, 10, 4, 6, 12, 14), b[g]);
        v[g] = _mm512_permutex2var_epi64(a[g], _mm512_setr_epi64(1, 3, 9, 11, 5, 7, 13, 15), b[g]);
        f.inverse(u[g], v[g], one.w, one.quotient, bound1);
    });
    side_by_side([&](std::size_t g) {
        const Root two = roots_of_two(record + 32 * g);
        a[g] = _mm512_unpacklo_epi64(u[g], v[g]);
        b[g] = _mm512_unpackhi_epi64(u[g], v[g]);
        f.inverse(a[g], b[g], two.w, two.quotient, bound2);
    });
    side_by_side([&](std::size_t g) {
        const Root four = roots_of_four(record + 32 * g);
        u[g] = _mm512_permutex2var_epi64(a[g], _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), b[g]);
        v[g] = _mm512_permutex2var_epi64(a[g], _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), b[g]);
        f.inverse(u[g], v[g], four.w, four.quotient, bound3);
    });
    side_by_side([&](std::size_t g) {
        a[g] = _mm512_shuffle_i64x2(u[g], v[g], 0x44);
        b[g] = _mm512_shuffle_i64x2(u[g], v[g], 0xee);
        if constexpr (kFour) {
            const Root eight = root(t, t.n / 16 + first + g);
            f.inverse(a[g], b[g], eight.w, eight.quotient, bound4);
        }
        Lanes::store(x + 16 * g, a[g]);
        Lanes::store(x + 16 * g + 8, b[g]);
    });
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
