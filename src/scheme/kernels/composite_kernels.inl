// The kernels of composite_kernels.h, written once on Lanes; each sibling includes its lanes and then this file.
#include "lattice/kernels/wide_prime.h"
#include "scheme/kernels/composite_kernels.h"

namespace flash::scheme::kernels {
namespace {

using lattice::kernels::Lanes;
using lattice::kernels::Prime;
using Vector = Lanes::Vector;

template <bool kMessage>
void hide_with(const WideModulus& modulus, const std::uint64_t* error, const std::uint64_t* a, const std::uint64_t* s,
               const std::uint64_t* s_quotients, const std::uint64_t* message, std::uint64_t* out, std::size_t count) {
    const Prime prime(modulus);
    for (std::size_t j = 0; j < count; j += Lanes::kCount) {
        const Vector product = prime.multiply(Lanes::load(a + j), Lanes::load(s + j), Lanes::load(s_quotients + j));
        Vector x = Lanes::subtract(Lanes::add(prime.reduce(Lanes::load(error + j)), prime.two_p), product);
        if constexpr (kMessage) x = Lanes::add(Lanes::subtract_if_at_least(x, prime.two_p), Lanes::load(message + j));
        Lanes::store(out + j, prime.from_four_p(x));
    }
}

void hide(const WideModulus& modulus, const std::uint64_t* error, const std::uint64_t* a, const std::uint64_t* s,
          const std::uint64_t* s_quotients, const std::uint64_t* message, std::uint64_t* out, std::size_t count) {
    message ? hide_with<true>(modulus, error, a, s, s_quotients, message, out, count)
            : hide_with<false>(modulus, error, a, s, s_quotients, message, out, count);
}

void add_small_and_scale(const WideModulus& modulus, const std::int8_t* small, WideFactor factor, std::uint64_t* x,
                         std::size_t count) {
    const Prime prime(modulus);
    const Vector value = Lanes::all(factor.value), quotient = Lanes::all(factor.quotient);
    for (std::size_t j = 0; j < count; j += Lanes::kCount) {
        const Vector sum = Lanes::add(Lanes::add(Lanes::load(x + j), prime.p), Lanes::load(small + j));
        Lanes::store(x + j, prime.from_two_p(prime.multiply(sum, value, quotient)));
    }
}

Vector sum_of(const Prime& prime, Vector product, Vector rest) {
    return prime.from_four_p(Lanes::add(product, prime.reduce(rest)));
}

void combine(const WideModulus& modulus, const std::uint64_t* x, WideFactor factor, const std::uint64_t* rest,
             std::uint64_t* out, std::size_t count) {
    const Prime prime(modulus);
    const Vector value = Lanes::all(factor.value), quotient = Lanes::all(factor.quotient);
    for (std::size_t j = 0; j < count; j += Lanes::kCount)
        Lanes::store(out + j,
                     sum_of(prime, prime.multiply(Lanes::load(x + j), value, quotient), Lanes::load(rest + j)));
}

void combine_products(const WideModulus& modulus, const std::uint64_t* x, const std::uint64_t* factors,
                      const std::uint64_t* quotients, const std::uint64_t* rest, std::uint64_t* out,
                      std::size_t count) {
    const Prime prime(modulus);
    for (std::size_t j = 0; j < count; j += Lanes::kCount)
        Lanes::store(
            out + j,
            sum_of(prime, prime.multiply(Lanes::load(x + j), Lanes::load(factors + j), Lanes::load(quotients + j)),
                   Lanes::load(rest + j)));
}

void narrow(const WideModulus& plain, const std::uint64_t* x, std::uint32_t* out, std::size_t count) {
    const Prime prime(plain);
    for (std::size_t j = 0; j < count; j += Lanes::kCount)
        Lanes::store(out + j, prime.from_two_p(prime.reduce(Lanes::load(x + j))));
}

bool words_below(const std::uint32_t* words, std::uint32_t bound, std::size_t count) {
    const Vector limit = Lanes::all(bound);
    Vector inside = Lanes::all(1);
    for (std::size_t j = 0; j < count; j += Lanes::kCount)
        inside = Lanes::if_less(Lanes::load(words + j), limit, inside);
    std::uint64_t lanes[Lanes::kCount], all = 1;
    Lanes::store(lanes, inside);
    for (std::uint64_t lane : lanes) all &= lane;
    return all;
}

constexpr CompositeKernels kKernels = {hide, add_small_and_scale, combine, combine_products, narrow, words_below};

}  // namespace
}  // namespace flash::scheme::kernels
