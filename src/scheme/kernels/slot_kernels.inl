// The kernels of slot_kernels.h, written once on Lanes; each sibling includes its lanes and then this file.
#include "lattice/kernels/wide_prime.h"
#include "scheme/kernels/slot_kernels.h"

namespace flash::scheme::kernels {
namespace {

using lattice::kernels::Lanes;
using lattice::kernels::Prime;
using Vector = Lanes::Vector;

constexpr std::size_t kDegree = kSlotDegree;
constexpr std::uint64_t kTwo52 = std::uint64_t{1} << 52;

/// Whether every lane is 1.
bool all_one(Vector ones) {
    std::uint64_t lanes[Lanes::kCount], all = 1;
    Lanes::store(lanes, ones);
    for (std::uint64_t lane : lanes) all &= lane;
    return all;
}

bool widen(std::uint64_t plain, const std::uint32_t* slots, std::size_t count, std::uint64_t* out) {
    const Vector bound = Lanes::all(plain);
    Vector inside = Lanes::all(1);
    std::size_t j = 0;
    for (; j + Lanes::kCount <= count; j += Lanes::kCount) {
        const Vector x = Lanes::load(slots + j);
        inside = Lanes::if_less(x, bound, inside);
        Lanes::store(out + j, x);
    }
    std::uint64_t outside = 0;
    for (; j < count; ++j) {
        out[j] = slots[j];
        outside |= static_cast<std::uint64_t>(slots[j] >= plain);
    }
    for (; j < kDegree; ++j) out[j] = 0;
    return all_one(inside) & !outside;
}

bool subtract(std::uint64_t plain, const std::uint32_t* slots, std::size_t count, std::uint64_t* out) {
    const Vector bound = Lanes::all(plain);
    Vector inside = Lanes::all(1);
    std::size_t j = 0;
    for (; j + Lanes::kCount <= count; j += Lanes::kCount) {
        const Vector x = Lanes::load(slots + j);
        inside = Lanes::if_less(x, bound, inside);
        Lanes::store(out + j,
                     Lanes::subtract_if_at_least(Lanes::subtract(Lanes::add(Lanes::load(out + j), bound), x), bound));
    }
    std::uint64_t outside = 0;
    for (; j < count; ++j) {
        const std::uint64_t sum = out[j] + plain - slots[j];
        out[j] = sum - (plain & (0 - static_cast<std::uint64_t>(sum >= plain)));
        outside |= static_cast<std::uint64_t>(slots[j] >= plain);
    }
    return all_one(inside) & !outside;
}

void narrow(const std::uint64_t* x, std::size_t count, std::uint32_t* out) {
    std::size_t j = 0;
    for (; j + Lanes::kCount <= count; j += Lanes::kCount) Lanes::store(out + j, Lanes::load(x + j));
    for (; j < count; ++j) out[j] = static_cast<std::uint32_t>(x[j]);
}

void lift_centred(std::uint64_t plain, std::uint64_t p, const std::uint64_t* x, std::uint64_t* out) {
    const Vector half = Lanes::all(plain / 2), shift = Lanes::all(p - plain);
    for (std::size_t j = 0; j < kDegree; j += Lanes::kCount) {
        const Vector m = Lanes::load(x + j);
        Lanes::store(out + j, Lanes::add(m, Lanes::if_less(half, m, shift)));
    }
}

/// round(q/T m) mod p_i without wide numbers. With h = (T - 1)/2 and v = (q m + h) mod T, which only needs q mod T, it
/// is (q m + h - v) / T exactly, and q vanishes mod p_i: (h - v) / T, where |h - v| <= h. T is odd, so rounding has no
/// ties.
class Scaling {
public:
    explicit Scaling(const SlotConstants& c)
        : plain_(c.plain),
          factor_(Lanes::all(c.q_mod_plain.value)),
          quotient_(Lanes::all(c.q_mod_plain.quotient)),
          half_(Lanes::all(c.plain.p / 2)) {}
    /// h - v, signed.
    Vector rest(Vector m) const {
        const Vector product = plain_.from_two_p(plain_.multiply(m, factor_, quotient_));
        return Lanes::subtract(half_, Lanes::subtract_if_at_least(Lanes::add(product, half_), plain_.p));
    }
    /// In [0, 2p). The rest, of size below p, is made positive by adding p.
    static Vector residue(Vector rest, const Prime& prime, Vector inverse, Vector inverse_quotient) {
        return prime.multiply(Lanes::add(rest, prime.p), inverse, inverse_quotient);
    }

private:
    Prime plain_;
    Vector factor_, quotient_, half_;
};

struct PrimeConstants {
    Prime prime;
    Vector inverse, inverse_quotient, fraction_high, fraction_low;
    explicit PrimeConstants(const SlotPrime& p)
        : prime(p.modulus),
          inverse(Lanes::all(p.plain_inverse.value)),
          inverse_quotient(Lanes::all(p.plain_inverse.quotient)),
          fraction_high(Lanes::all(p.fraction_high)),
          fraction_low(Lanes::all(p.fraction_low)) {}

    /// sum + 2^52 (x/q mod 1), the part of x < 2^52 for this prime, mod 2^52. Short by less than 2: by less than 1 for
    /// the halves' rounding, x / 2^52 < 1, and less than 1 for that of the product.
    Vector add_fraction(Vector sum, Vector x) const {
        return Lanes::add_high(Lanes::add_low(sum, x, fraction_high), x, fraction_low);
    }
};

/// The constants of two or three primes, the third unused if there are two.
template <std::size_t kPrimes>
struct AllPrimes {
    PrimeConstants first, second, third;
    explicit AllPrimes(const SlotConstants& c)
        : first(c.primes[0]),
          second(c.primes[1]),
          third(c.primes[kPrimes - 1]) {}
    template <class F>
    [[gnu::always_inline]] void each(const F& f) const {
        f(0, first);
        f(1, second);
        if constexpr (kPrimes == 3) f(2, third);
    }
};

/// From the fraction in units of 2^-52, modulo 1, to t bits, rounded.
class Rounding {
public:
    explicit Rounding(int t)
        : t_(t),
          half_(Lanes::all(std::uint64_t{1} << (51 - t))),
          mask_(Lanes::all((std::uint64_t{1} << t) - 1)) {}
    Vector operator()(Vector sum) const {
        return Lanes::bit_and(Lanes::shift_right(Lanes::add(sum, half_), 52 - t_), mask_);
    }

private:
    int t_;
    Vector half_, mask_;
};

template <std::size_t kPrimes>
void scale_up_primes(const SlotConstants& c, const std::uint64_t* m, const std::int8_t* error,
                     std::uint64_t* const* out) {
    const Scaling scaling(c);
    const AllPrimes<kPrimes> primes(c);
    for (std::size_t j = 0; j < kDegree; j += Lanes::kCount) {
        const Vector rest = scaling.rest(Lanes::load(m + j)), e = Lanes::load(error + j);
        primes.each([&](std::size_t i, const PrimeConstants& p) {
            const Vector scaled = Scaling::residue(rest, p.prime, p.inverse, p.inverse_quotient);
            Lanes::store(out[i] + j, Lanes::add(scaled, Lanes::add(e, p.prime.p)));
        });
    }
}

template <std::size_t kPrimes>
void switch_down_primes(const SlotConstants& c, const std::uint64_t* const* x, const std::int8_t* error,
                        std::uint64_t* out) {
    const AllPrimes<kPrimes> primes(c);
    const Rounding round(c.response_bits);
    for (std::size_t j = 0; j < kDegree; j += Lanes::kCount) {
        const Vector e = Lanes::load(error + j);
        Vector sum = Lanes::zero();
        primes.each([&](std::size_t i, const PrimeConstants& p) {
            sum = p.add_fraction(sum, Lanes::add(Lanes::load(x[i] + j), Lanes::add(e, p.prime.p)));
        });
        Lanes::store(out + j, round(sum));
    }
}

template <std::size_t kPrimes>
void switch_down_sum_primes(const SlotConstants& c, const std::uint64_t* const* x, const std::uint64_t* const* flooding,
                            const std::uint64_t* m, std::uint64_t* out) {
    const Scaling scaling(c);
    const AllPrimes<kPrimes> primes(c);
    const Rounding round(c.response_bits);
    for (std::size_t j = 0; j < kDegree; j += Lanes::kCount) {
        const Vector rest = scaling.rest(Lanes::load(m + j));
        Vector sum = Lanes::zero();
        // x and flooding are below p, the scaled message below 2p: below 4p < 2^52 without a reduction.
        primes.each([&](std::size_t i, const PrimeConstants& p) {
            const Vector scaled = Scaling::residue(rest, p.prime, p.inverse, p.inverse_quotient);
            sum = p.add_fraction(sum,
                                 Lanes::add(scaled, Lanes::add(Lanes::load(x[i] + j), Lanes::load(flooding[i] + j))));
        });
        Lanes::store(out + j, round(sum));
    }
}

void scale_up(const SlotConstants& c, const std::uint64_t* m, const std::int8_t* error, std::uint64_t* const* out) {
    c.prime_count == 2 ? scale_up_primes<2>(c, m, error, out) : scale_up_primes<3>(c, m, error, out);
}

void switch_down(const SlotConstants& c, const std::uint64_t* const* x, const std::int8_t* error, std::uint64_t* out) {
    c.prime_count == 2 ? switch_down_primes<2>(c, x, error, out) : switch_down_primes<3>(c, x, error, out);
}

void switch_down_sum(const SlotConstants& c, const std::uint64_t* const* x, const std::uint64_t* const* flooding,
                     const std::uint64_t* m, std::uint64_t* out) {
    c.prime_count == 2 ? switch_down_sum_primes<2>(c, x, flooding, m, out)
                       : switch_down_sum_primes<3>(c, x, flooding, m, out);
}

void lift_response(std::uint64_t p, int t, std::uint64_t* x) {
    const Vector largest = Lanes::all((std::uint64_t{1} << (t - 1)) - 1),
                 shift = Lanes::all(p - (std::uint64_t{1} << t));
    for (std::size_t j = 0; j < kDegree; j += Lanes::kCount) {
        const Vector word = Lanes::load(x + j);
        Lanes::store(x + j, Lanes::add(word, Lanes::if_less(largest, word, shift)));
    }
}

void scale_down(const SlotConstants& c, std::uint64_t p, const std::uint64_t* product, const std::uint64_t* b,
                std::uint64_t* out) {
    const int t = c.response_bits;
    const Vector half = Lanes::all(p / 2), prime = Lanes::all(p), mask = Lanes::all((std::uint64_t{1} << t) - 1),
                 plain = Lanes::all(c.plain.p), one_half = Lanes::all(kTwo52 / 2);
    for (std::size_t j = 0; j < kDegree; j += Lanes::kCount) {
        const Vector x = Lanes::load(product + j), centred = Lanes::subtract(x, Lanes::if_less(half, x, prime));
        const Vector phase = Lanes::bit_and(Lanes::add(centred, Lanes::load(b + j)), mask);
        // T phase / 2^t as the high half of 52 bits of T (phase 2^(52 - t)), plus the carry of the low half and 1/2.
        const Vector shifted = Lanes::shift_left(phase, 52 - t);
        const Vector carry = Lanes::shift_right(Lanes::add_low(one_half, shifted, plain), 52);
        Lanes::store(out + j, Lanes::subtract_if_at_least(Lanes::add_high(carry, shifted, plain), plain));
    }
}

constexpr SlotKernels kKernels = {widen,       subtract,        narrow,        lift_centred, scale_up,
                                  switch_down, switch_down_sum, lift_response, scale_down};

}  // namespace
}  // namespace flash::scheme::kernels
