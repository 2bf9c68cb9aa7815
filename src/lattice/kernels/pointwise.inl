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

/// A sum of at most four products x y with x < p and y < 2^52. The low and high halves of all are summed apart: high is
/// below 4p < 2^52, the carry of low included, and low below 2^54. The carry of low moves to high; high times 2^52 and
/// what is left of low are then reduced to [0, 2p) each.
class SumOfProducts {
public:
    explicit SumOfProducts(const WideModulus& modulus)
        : shift_(Lanes::all(modulus.two_52)),
          shift_quotient_(Lanes::all(modulus.two_52_quotient)) {}
    template <std::size_t kSummands>
    Vector operator()(const Prime& prime, const std::uint64_t* const* x, const Vector (&y)[kSummands + 1],
                      std::size_t j) const {
        Vector low = Lanes::zero(), high = Lanes::zero();
        for (std::size_t k = 0; k < kSummands; ++k) {
            const Vector left = Lanes::load(x[k] + j);
            low = Lanes::add_low(low, left, y[k]);
            high = Lanes::add_high(high, left, y[k]);
        }
        high = Lanes::add(high, Lanes::shift_right(low, 52));
        return Lanes::add(prime.multiply(high, shift_, shift_quotient_), prime.reduce(Lanes::bit_and(low, prime.low)));
    }

private:
    Vector shift_, shift_quotient_;
};

template <std::size_t kSummands>
void some_product_pair(const WideModulus& modulus, const std::uint64_t* const* x, const std::uint64_t* const* z,
                       const std::uint64_t* const* y, std::uint64_t* out_x, std::uint64_t* out_z, std::size_t count) {
    const Prime prime(modulus);
    const SumOfProducts sum_of(modulus);
    for (std::size_t j = 0; j < count; j += Lanes::kCount) {
        Vector factors[kSummands + 1];
        for (std::size_t k = 0; k < kSummands; ++k) factors[k] = Lanes::load(y[k] + j);
        Lanes::store(out_x + j, prime.from_four_p(sum_of.template operator()<kSummands>(prime, x, factors, j)));
        Lanes::store(out_z + j, prime.from_four_p(sum_of.template operator()<kSummands>(prime, z, factors, j)));
    }
}

void product_pair(const WideModulus& modulus, const std::uint64_t* const* x, const std::uint64_t* const* z,
                  const std::uint64_t* const* y, std::size_t summands, std::uint64_t* out_x, std::uint64_t* out_z,
                  std::size_t count) {
    switch (summands) {
        case 1: return some_product_pair<1>(modulus, x, z, y, out_x, out_z, count);
        case 2: return some_product_pair<2>(modulus, x, z, y, out_x, out_z, count);
        case 3: return some_product_pair<3>(modulus, x, z, y, out_x, out_z, count);
        case 4: return some_product_pair<4>(modulus, x, z, y, out_x, out_z, count);
    }
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

constexpr Pointwise kKernels = {quotients,  multiply,  product_pair,   lift_small,
                                lift_words, add_words, subtract_words, all_below};

}  // namespace
}  // namespace flash::lattice::kernels
