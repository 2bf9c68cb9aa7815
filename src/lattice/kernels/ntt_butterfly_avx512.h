// Butterflies of the transforms on AVX-512 IFMA (ntt_avx512.cpp, the only file that may include this one: it is
// compiled for that instruction set).
#pragma once

#include <cstddef>
#include <cstdint>

#include "lattice/kernels/lanes_avx512.h"
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

enum class Reduction {
    kNone,   ///< of sums; forward p < 2^47, inverse 2n p <= 2^52
    kOnce,   ///< inverse only, after the innermost six levels: 2^7 p <= 2^52 and 2^(levels - 5) p <= 2^52
    kGroup,  ///< in each group of at most three levels: p <= 2^48
    kLevel,  ///< in each level: p < 2^50
};

/// Butterflies on kCount pairs (u, v) at a time, each step for all before the next step: a butterfly is a chain of
/// dependent multiplications, and only so does the processor find enough independent ones in its window.
template <Reduction kReduction>
class Butterfly {
public:
    explicit Butterfly(const WideNtt& t)
        : p_(Lanes::all(t.p)),
          two_p_(Lanes::all(2 * t.p)),
          eight_p_(Lanes::all(8 * t.p)),
          minus_p_(Lanes::all(kLow - t.p + 1)),
          low_(Lanes::all(kLow)),
          reciprocal_(Lanes::all(t.reciprocal)) {}

    /// x[g] = x[g] w[g] mod p in [0, 2p) for x[g] < 2^52; where keep_open(g), bits 52 and above are undefined, which
    /// only another multiplication ignores.
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
    /// [0, 2p) from [0, 4p), where every level reduces; otherwise nothing.
    Vector below_two_p(Vector x) const {
        return kReduction == Reduction::kLevel ? Lanes::subtract_if_at_least(x, two_p_) : x;
    }
    Vector below_eight_p(Vector x) const { return Lanes::subtract_if_at_least(x, eight_p_); }
    /// [0, 2p) from [0, 2^52): floor(2^52 / p) x / 2^52 is less than 2 below x / p.
    Vector reduce(Vector x) const {
        const Vector high = Lanes::add_high(Lanes::zero(), x, reciprocal_);
        return Lanes::bit_and(Lanes::add_low(x, high, minus_p_), low_);
    }
    Vector below_p(Vector x) const { return Lanes::subtract_if_at_least(x, p_); }
    Vector two_p() const { return two_p_; }

    /// One forward level (Cooley-Tukey). kLevel: in and out below 4p; otherwise the bound grows by 2p. Where
    /// keep_open(g), the results are for multiplication only.
    template <std::size_t kCount, class Open>
    [[gnu::always_inline]] void forward(Vector (&u)[kCount], Vector (&v)[kCount], const Root (&w)[kCount],
                                        const Open& keep_open) const {
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
    /// One inverse level (Gentleman-Sande). In: below `bound`; out: below next_bound(bound).
    template <std::size_t kCount>
    [[gnu::always_inline]] void inverse(Vector (&u)[kCount], Vector (&v)[kCount], const Root (&w)[kCount],
                                        Vector bound) const {
        each<kCount>([&](std::size_t g) {
            const Vector difference = Lanes::subtract(Lanes::add(u[g], bound), v[g]);
            u[g] = Lanes::add(u[g], v[g]);
            v[g] = difference;
        });
        multiply(v, w);
        each<kCount>([&](std::size_t g) { u[g] = below_two_p(u[g]); });
    }
    Vector next_bound(Vector bound) const { return kReduction == Reduction::kLevel ? bound : Lanes::add(bound, bound); }

private:
    static constexpr std::uint64_t kLow = (std::uint64_t{1} << 52) - 1;
    Vector p_, two_p_, eight_p_, minus_p_, low_, reciprocal_;
};

}  // namespace
}  // namespace flash::lattice::kernels
