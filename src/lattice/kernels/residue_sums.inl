// The kernels of residue_sums.h, written once on Lanes; each sibling includes its lanes and then this file. Four
// vectors are computed side by side, as each is a chain of dependent multiplications.
#include "lattice/kernels/residue_sums.h"
#include "lattice/kernels/wide_prime.h"

namespace flash::lattice::kernels {
namespace {

constexpr std::size_t kUnroll = 4;

/// Calls f(0) .. f(kUnroll - 1), unrolled.
template <class F>
[[gnu::always_inline]] inline void each(const F& f) {
#pragma GCC unroll 4
    for (std::size_t g = 0; g < kUnroll; ++g) f(g);
}

void rounded_sum(const std::uint64_t* const* x, const WideFraction* weights, std::size_t terms, int shift,
                 std::uint64_t* out, std::size_t count) {
    const Vector half_low = Lanes::all(shift == 0 ? std::uint64_t{1} << 51 : 0),
                 half_high = Lanes::all(shift == 0 ? 0 : std::uint64_t{1} << (shift - 1));
    for (std::size_t j = 0; j < count; j += kUnroll * Lanes::kCount) {
        Vector high[kUnroll], low[kUnroll];
        each([&](std::size_t g) { high[g] = half_high, low[g] = half_low; });
        for (std::size_t i = 0; i < terms; ++i) {
            const Vector first = Lanes::all(weights[i].high), second = Lanes::all(weights[i].low);
            each([&](std::size_t g) {
                const Vector v = Lanes::load(x[i] + j + g * Lanes::kCount);
                high[g] = Lanes::add_high(high[g], v, first);
                low[g] = Lanes::add_high(Lanes::add_low(low[g], v, first), v, second);
            });
        }
        each([&](std::size_t g) {
            Lanes::store(out + j + g * Lanes::kCount,
                         Lanes::shift_right(Lanes::add(high[g], Lanes::shift_right(low[g], 52)), shift));
        });
    }
}

/// What is left of x g after floor(x quotient / 2^52) p is below 2p. kWide: p up to 2^50, where 52 bits hold two of
/// them; otherwise p < 2^47, and they hold all.
template <bool kWide, class Word>
void sum_terms(const WideModulus& modulus, const Word* const* x, const WideFactor* factors, std::size_t terms,
               const std::int8_t* small, WideFactor small_factor, std::uint64_t* out, std::size_t count) {
    const Prime prime(modulus);
    for (std::size_t j = 0; j < count; j += kUnroll * Lanes::kCount) {
        Vector sum[kUnroll], high[kUnroll], low[kUnroll];
        const auto restart = [&] { each([&](std::size_t g) { high[g] = low[g] = Lanes::zero(); }); };
        const auto add = [&](std::size_t g, Vector v, Vector factor, Vector quotient) {
            high[g] = Lanes::add_high(high[g], v, quotient);
            low[g] = Lanes::add_low(low[g], v, factor);
        };
        const auto rest = [&](std::size_t g) {
            return Lanes::bit_and(Lanes::add_low(low[g], high[g], prime.minus_p), prime.low);
        };
        const auto finish_pair = [&] {
            each([&](std::size_t g) {
                sum[g] = Lanes::subtract_if_at_least(
                    Lanes::add(sum[g], Lanes::subtract_if_at_least(rest(g), prime.two_p)), prime.two_p);
            });
            restart();
        };
        each([&](std::size_t g) { sum[g] = Lanes::zero(); });
        restart();
        for (std::size_t i = 0; i < terms; ++i) {
            const Vector factor = Lanes::all(factors[i].value), quotient = Lanes::all(factors[i].quotient);
            each([&](std::size_t g) { add(g, Lanes::load(x[i] + j + g * Lanes::kCount), factor, quotient); });
            if constexpr (kWide)
                if (i % 2 == 1) finish_pair();
        }
        if (small) {
            const Vector factor = Lanes::all(small_factor.value), quotient = Lanes::all(small_factor.quotient);
            each([&](std::size_t g) {
                add(g, Lanes::add(Lanes::load(small + j + g * Lanes::kCount), prime.p), factor, quotient);
            });
        }
        if constexpr (kWide) {
            finish_pair();
            each([&](std::size_t g) { Lanes::store(out + j + g * Lanes::kCount, prime.from_two_p(sum[g])); });
        } else {
            each([&](std::size_t g) {
                Lanes::store(out + j + g * Lanes::kCount, prime.from_two_p(prime.reduce(rest(g))));
            });
        }
    }
}

template <class Word>
void sum_any_terms(const WideModulus& modulus, const Word* const* x, const WideFactor* factors, std::size_t terms,
                   const std::int8_t* small, WideFactor small_factor, std::uint64_t* out, std::size_t count) {
    static_assert(2 * (kMaxTerms + 1) <= 32);
    modulus.p < (std::uint64_t{1} << 47) ? sum_terms<false>(modulus, x, factors, terms, small, small_factor, out, count)
                                         : sum_terms<true>(modulus, x, factors, terms, small, small_factor, out, count);
}

void linear_sum(const WideModulus& modulus, const std::uint64_t* const* x, const WideFactor* factors, std::size_t terms,
                const std::int8_t* small, WideFactor small_factor, std::uint64_t* out, std::size_t count) {
    sum_any_terms(modulus, x, factors, terms, small, small_factor, out, count);
}

void linear_sum_words(const WideModulus& modulus, const std::uint32_t* const* x, const WideFactor* factors,
                      std::size_t terms, std::uint64_t* out, std::size_t count) {
    sum_any_terms(modulus, x, factors, terms, nullptr, {}, out, count);
}

constexpr ResidueSums kKernels = {rounded_sum, linear_sum, linear_sum_words};

}  // namespace
}  // namespace flash::lattice::kernels
