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

/// Roots of the three innermost levels of 16 neighbours: layout at WideNtt::inner.
struct InnerRoots {
    Root four, two, one;
    explicit InnerRoots(const std::uint64_t* record) {
        const Vector spread_four = _mm512_setr_epi64(0, 0, 0, 0, 1, 1, 1, 1), spread_two = _mm512_setr_epi64(2, 2, 4, 4, 3, 3, 5, 5);
        const Vector w = Lanes::load(record), quotient = Lanes::load(record + 8);
        four = {_mm512_permutexvar_epi64(spread_four, w), _mm512_permutexvar_epi64(spread_four, quotient)};
        two = {_mm512_permutexvar_epi64(spread_two, w), _mm512_permutexvar_epi64(spread_two, quotient)};
        one = {Lanes::load(record + 16), Lanes::load(record + 24)};
    }
};

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

/// The last levels on 16 neighbours. kFour: four levels, else three.
template <bool kSmall, bool kFour>
inline void forward_inner(const Butterfly<kSmall>& f, std::uint64_t* x, const WideNtt& t, std::size_t pair, Vector reciprocal) {
    Vector a = Lanes::load(x), b = Lanes::load(x + 8);
    if constexpr (kFour) {
        const Root eight = root(t, t.n / 16 + pair);
        f.forward(a, b, eight.w, eight.quotient);
    }
    const InnerRoots roots(t.inner + 32 * pair);
    // The comments name lanes by their place among the 16.
    Vector u = _mm512_shuffle_i64x2(a, b, 0x44), v = _mm512_shuffle_i64x2(a, b, 0xee);  // 0-3 8-11, 4-7 12-15
    f.forward(u, v, roots.four.w, roots.four.quotient);
    a = _mm512_shuffle_i64x2(u, v, 0x88);  // 0 1 8 9 4 5 12 13
    b = _mm512_shuffle_i64x2(u, v, 0xdd);  // 2 3 10 11 6 7 14 15
    f.forward(a, b, roots.two.w, roots.two.quotient);
    u = _mm512_unpacklo_epi64(a, b);  // 0 2 8 10 4 6 12 14
    v = _mm512_unpackhi_epi64(a, b);  // 1 3 9 11 5 7 13 15
    f.forward(u, v, roots.one.w, roots.one.quotient);
    if constexpr (kSmall) {
        // floor(2^52 / p) x / 2^52 is less than 2 below x / p.
        const Vector one = Lanes::all(1);
        u = f.multiply(u, one, reciprocal);
        v = f.multiply(v, one, reciprocal);
    } else {
        u = f.below_two_p(u);
        v = f.below_two_p(v);
    }
    u = f.below_p(u);
    v = f.below_p(v);
    Lanes::store(x, _mm512_permutex2var_epi64(u, _mm512_setr_epi64(0, 8, 1, 9, 4, 12, 5, 13), v));
    Lanes::store(x + 8, _mm512_permutex2var_epi64(u, _mm512_setr_epi64(2, 10, 3, 11, 6, 14, 7, 15), v));
}

template <bool kSmall, bool kFour>
void forward(std::uint64_t* x, const WideNtt& t) {
    const Butterfly<kSmall> f(t.p);
    const Vector reciprocal = Lanes::all(t.reciprocal);
    constexpr std::size_t kLast = kFour ? 16 : 8;  // size of the blocks left to the inner levels
    forward_block(f, x, t.n / 4, t, 1);
    const std::size_t quarter_size = t.n / 4;
    for (std::size_t part = 0; part < 4; ++part) {
        std::uint64_t* base = x + part * quarter_size;
        std::size_t blocks = 1;  // in this part
        for (std::size_t size = quarter_size; size > kLast; size /= 4, blocks *= 4)
            for (std::size_t block = 0; block < blocks; ++block)
                forward_block(f, base + block * size, size / 4, t, (4 + part) * blocks + block);
        for (std::size_t j = 0; j < quarter_size; j += 16)
            forward_inner<kSmall, kFour>(f, base + j, t, (part * quarter_size + j) / 16, reciprocal);
    }
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

template <bool kSmall, bool kFour>
inline void inverse_inner(const Butterfly<kSmall>& f, std::uint64_t* x, const WideNtt& t, std::size_t pair) {
    const InnerRoots roots(t.inner + 32 * pair);
    const Vector x0 = Lanes::load(x), x1 = Lanes::load(x + 8);
    Vector bound = f.two_p();
    Vector u = _mm512_permutex2var_epi64(x0, _mm512_setr_epi64(0, 2, 8, 10, 4, 6, 12, 14), x1);
    Vector v = _mm512_permutex2var_epi64(x0, _mm512_setr_epi64(1, 3, 9, 11, 5, 7, 13, 15), x1);
    f.inverse(u, v, roots.one.w, roots.one.quotient, bound);
    bound = f.next_bound(bound);
    Vector a = _mm512_unpacklo_epi64(u, v), b = _mm512_unpackhi_epi64(u, v);
    f.inverse(a, b, roots.two.w, roots.two.quotient, bound);
    bound = f.next_bound(bound);
    u = _mm512_permutex2var_epi64(a, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), b);
    v = _mm512_permutex2var_epi64(a, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), b);
    f.inverse(u, v, roots.four.w, roots.four.quotient, bound);
    bound = f.next_bound(bound);
    a = _mm512_shuffle_i64x2(u, v, 0x44);
    b = _mm512_shuffle_i64x2(u, v, 0xee);
    if constexpr (kFour) {
        const Root eight = root(t, t.n / 16 + pair);
        f.inverse(a, b, eight.w, eight.quotient, bound);
    }
    Lanes::store(x, a);
    Lanes::store(x + 8, b);
}

template <bool kSmall, bool kFour>
void inverse(std::uint64_t* x, const WideNtt& t) {
    const Butterfly<kSmall> f(t.p);
    constexpr std::size_t kLast = kFour ? 16 : 8;
    const std::size_t quarter_size = t.n / 4;
    Vector outer_bound = f.two_p();
    for (std::size_t part = 0; part < 4; ++part) {
        std::uint64_t* base = x + part * quarter_size;
        for (std::size_t j = 0; j < quarter_size; j += 16) inverse_inner<kSmall, kFour>(f, base + j, t, (part * quarter_size + j) / 16);
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
