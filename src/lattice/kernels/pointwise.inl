// The kernels of pointwise.h, written once on Lanes; each sibling includes its lanes and then this file.
#include "lattice/kernels/wide_prime.h"

namespace flash::lattice::kernels {
namespace {

/// floor(2^52 w / p) = (2^52 w - r) / p with r = 2^52 w mod p: exact, so that -r / p mod 2^52 gives it.
void quotients(const WideModulus& modulus, const std::uint64_t* factor, std::uint64_t* out, std::size_t count) {
    const Prime prime(modulus);
    const Vector shift = Lanes::all(modulus.two_52), shift_quotient = Lanes::all(modulus.two_52_quotient),
                 minus_inverse = Lanes::all(modulus.minus_inverse);
    for (std::size_t j = 0; j < count; j += Lanes::kCount) {
        const Vector rest = prime.from_two_p(prime.multiply(Lanes::load(factor + j), shift, shift_quotient));
        Lanes::store(out + j, Lanes::add_low(Lanes::zero(), rest, minus_inverse));
    }
}

void multiply(const WideModulus& modulus, const std::uint64_t* x, const std::uint64_t* factor,
              const std::uint64_t* quotients, std::uint64_t* out, std::size_t count) {
    const Prime prime(modulus);
    for (std::size_t j = 0; j < count; j += Lanes::kCount)
        Lanes::store(out + j, prime.from_two_p(prime.multiply(Lanes::load(x + j), Lanes::load(factor + j),
                                                              Lanes::load(quotients + j))));
}

void subtract_product(const WideModulus& modulus, const std::uint64_t* x, const std::uint64_t* factor,
                      const std::uint64_t* quotients, std::uint64_t* out, std::size_t count) {
    const Prime prime(modulus);
    for (std::size_t j = 0; j < count; j += Lanes::kCount) {
        const Vector product = prime.multiply(Lanes::load(x + j), Lanes::load(factor + j), Lanes::load(quotients + j));
        Lanes::store(out + j,
                     prime.from_four_p(Lanes::subtract(Lanes::add(Lanes::load(out + j), prime.two_p), product)));
    }
}

/// The low and high halves of all products are summed apart. With x < p and y < 2^52, high is below 4p < 2^52, the
/// carry of low included, and low below 2^54. The carry of low moves to high; high times 2^52 and what is left of low
/// are then reduced to [0, 2p) each, and out is below p.
template <std::size_t kSummands, bool kAdd>
void some_products(const WideModulus& modulus, const std::uint64_t* const* x, const std::uint64_t* const* y,
                   std::uint64_t* out, std::size_t count) {
    const Prime prime(modulus);
    const Vector shift = Lanes::all(modulus.two_52), shift_quotient = Lanes::all(modulus.two_52_quotient);
    for (std::size_t j = 0; j < count; j += Lanes::kCount) {
        Vector low = Lanes::zero(), high = Lanes::zero();
        for (std::size_t k = 0; k < kSummands; ++k) {
            const Vector left = Lanes::load(x[k] + j), right = Lanes::load(y[k] + j);
            low = Lanes::add_low(low, left, right);
            high = Lanes::add_high(high, left, right);
        }
        high = Lanes::add(high, Lanes::shift_right(low, 52));
        Vector sum =
            Lanes::add(prime.multiply(high, shift, shift_quotient), prime.reduce(Lanes::bit_and(low, prime.low)));
        if constexpr (kAdd) sum = Lanes::add(Lanes::subtract_if_at_least(sum, prime.two_p), Lanes::load(out + j));
        Lanes::store(out + j, prime.from_four_p(sum));
    }
}

template <bool kAdd>
void any_products(const WideModulus& modulus, const std::uint64_t* const* x, const std::uint64_t* const* y,
                  std::size_t summands, std::uint64_t* out, std::size_t count) {
    switch (summands) {
        case 0: return kAdd ? void() : some_products<0, kAdd>(modulus, x, y, out, count);
        case 1: return some_products<1, kAdd>(modulus, x, y, out, count);
        case 2: return some_products<2, kAdd>(modulus, x, y, out, count);
        case 3: return some_products<3, kAdd>(modulus, x, y, out, count);
        case 4: return some_products<4, kAdd>(modulus, x, y, out, count);
    }
}

void add_products(const WideModulus& modulus, const std::uint64_t* const* x, const std::uint64_t* const* y,
                  std::size_t summands, std::uint64_t* out, std::size_t count) {
    any_products<true>(modulus, x, y, summands, out, count);
}

void products(const WideModulus& modulus, const std::uint64_t* const* x, const std::uint64_t* const* y,
              std::size_t summands, std::uint64_t* out, std::size_t count) {
    any_products<false>(modulus, x, y, summands, out, count);
}

void lift_small(const WideModulus& modulus, const std::int8_t* small, std::uint64_t* out, std::size_t count) {
    const Prime prime(modulus);
    for (std::size_t j = 0; j < count; j += Lanes::kCount)
        Lanes::store(out + j, prime.from_signed(Lanes::load(small + j)));
}

void lift_words(const WideModulus& modulus, const std::uint32_t* words, std::uint64_t* out, std::size_t count) {
    const Prime prime(modulus);
    const std::int32_t* centred = reinterpret_cast<const std::int32_t*>(words);
    for (std::size_t j = 0; j < count; j += Lanes::kCount)
        Lanes::store(out + j, prime.from_signed(Lanes::load(centred + j)));
}

/// The centred representative of x, mod 2^32 in the low half.
Vector centred(Vector x, const Prime& prime, Vector half) {
    return Lanes::subtract(x, Lanes::if_less(half, x, prime.p));
}

void add_words(const WideModulus& modulus, const std::uint64_t* x, std::uint32_t* out, std::size_t count) {
    const Prime prime(modulus);
    const Vector half = Lanes::all(modulus.p / 2);
    for (std::size_t j = 0; j < count; j += Lanes::kCount)
        Lanes::store(out + j, Lanes::add(Lanes::load(out + j), centred(Lanes::load(x + j), prime, half)));
}

void subtract_words(const WideModulus& modulus, const std::uint64_t* x, std::uint32_t* out, std::size_t count) {
    const Prime prime(modulus);
    const Vector half = Lanes::all(modulus.p / 2);
    for (std::size_t j = 0; j < count; j += Lanes::kCount)
        Lanes::store(out + j, Lanes::subtract(Lanes::load(out + j), centred(Lanes::load(x + j), prime, half)));
}

bool all_below(const std::uint64_t* x, std::uint64_t bound, std::size_t count) {
    const Vector limit = Lanes::all(bound), one = Lanes::all(1);
    Vector inside = one;
    for (std::size_t j = 0; j < count; j += Lanes::kCount) inside = Lanes::if_less(Lanes::load(x + j), limit, inside);
    std::uint64_t lanes[Lanes::kCount], all = 1;
    Lanes::store(lanes, inside);
    for (std::uint64_t lane : lanes) all &= lane;
    return all;
}

constexpr Pointwise kKernels = {quotients,  multiply,   subtract_product, add_products,   products,
                                lift_small, lift_words, add_words,        subtract_words, all_below};

}  // namespace
}  // namespace flash::lattice::kernels
