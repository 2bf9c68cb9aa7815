// Cooley-Tukey forward, Gentleman-Sande inverse, with Harvey's lazy reductions: values stay below 4p (2p in the
// inverse) and are reduced fully once, at the end (D. Harvey, Faster arithmetic for number-theoretic transforms, 2014).
// p < 2^60 leaves room.
#include "lattice/kernels/ntt.h"

namespace flash::lattice::kernels {

void ntt_forward_portable(std::uint64_t* x, const IntegerNtt& tables) {
    const std::uint64_t p = tables.p, two_p = 2 * p;
    for (std::size_t blocks = 1, half = tables.n / 2; half > 0; blocks *= 2, half /= 2) {
        for (std::size_t block = 0; block < blocks; ++block) {
            const std::uint64_t w = tables.roots[blocks + block], quotient = tables.quotients[blocks + block];
            std::uint64_t* low = x + 2 * half * block;
            std::uint64_t* high = low + half;
            for (std::size_t j = 0; j < half; ++j) {
                const std::uint64_t u = subtract_if_at_least(low[j], two_p);
                const std::uint64_t v = multiply_lazy(high[j], w, quotient, p);
                low[j] = u + v;
                high[j] = u + two_p - v;
            }
        }
    }
    for (std::size_t j = 0; j < tables.n; ++j) x[j] = subtract_if_at_least(subtract_if_at_least(x[j], two_p), p);
}

void ntt_inverse_portable(std::uint64_t* x, const IntegerNtt& tables) {
    const std::uint64_t p = tables.p, two_p = 2 * p;
    for (std::size_t blocks = tables.n / 2, half = 1; blocks > 0; blocks /= 2, half *= 2) {
        for (std::size_t block = 0; block < blocks; ++block) {
            const std::uint64_t w = tables.roots[blocks + block], quotient = tables.quotients[blocks + block];
            std::uint64_t* low = x + 2 * half * block;
            std::uint64_t* high = low + half;
            for (std::size_t j = 0; j < half; ++j) {
                const std::uint64_t u = low[j], v = high[j];
                low[j] = subtract_if_at_least(u + v, two_p);
                high[j] = multiply_lazy(u + two_p - v, w, quotient, p);
            }
        }
    }
    const ShoupFactor scale = tables.scale;
    for (std::size_t j = 0; j < tables.n; ++j)
        x[j] = subtract_if_at_least(multiply_lazy(x[j], scale.value, scale.quotient, p), p);
}

}  // namespace flash::lattice::kernels
