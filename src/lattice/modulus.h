// Arithmetic modulo a prime, or a product of two primes, below 2^60. All functions on residues are free of branches and
// table look-ups that depend on the residues; only construction and root finding (public moduli) branch.
#pragma once

#include <array>
#include <cstdint>

namespace flash::lattice {

/// __int128 is an extension of GCC and Clang; this is the only place that says so.
__extension__ typedef unsigned __int128 u128;

inline std::uint64_t high_product(std::uint64_t x, std::uint64_t y) {
    return static_cast<std::uint64_t>((static_cast<u128>(x) * y) >> 64);
}

/// x mod bound for x < 2 * bound < 2^63, without a branch: the sign of the difference selects.
inline std::uint64_t subtract_if_at_least(std::uint64_t x, std::uint64_t bound) {
    const std::uint64_t difference = x - bound;
    return difference + (bound & static_cast<std::uint64_t>(static_cast<std::int64_t>(difference) >> 63));
}

/// A fixed factor w < p with floor(2^64 w / p): one high and two low products per multiplication (Shoup).
struct ShoupFactor {
    std::uint64_t value = 0;
    std::uint64_t quotient = 0;
};

/// x * w mod p up to one multiple of p: in [0, 2p) for any 64-bit x.
inline std::uint64_t multiply_lazy(std::uint64_t x, std::uint64_t w, std::uint64_t quotient, std::uint64_t p) {
    return x * w - high_product(x, quotient) * p;
}

/// An odd p, 2 < p < 2^60, a prime or a product of two, with its Barrett constant floor(2^128 / p).
class Modulus {
public:
    /// Throws Error(kInvalidArgument) unless p is an odd prime below 2^60.
    explicit Modulus(std::uint64_t prime);
    /// The product of two different primes. A residue mod it is a pair of residues, so one transform over it is one
    /// over each; where elements have to be inverted they must be units. Error(kInvalidArgument) unless both are primes
    /// and the product is below 2^60.
    static Modulus product(const Modulus& first, const Modulus& second);

    std::uint64_t value() const { return value_; }
    int bits() const { return bits_; }
    bool is_product() const { return factors_[1] != 1; }
    /// The primes; the second is 1 if there is only one.
    const std::array<std::uint64_t, 2>& factors() const { return factors_; }

    /// Any 128-bit x mod p.
    std::uint64_t reduce(u128 x) const {
        const std::uint64_t low = static_cast<std::uint64_t>(x), high = static_cast<std::uint64_t>(x >> 64);
        const u128 middle = static_cast<u128>(low) * ratio_high_ + high_product(low, ratio_low_);
        const u128 cross = static_cast<u128>(high) * ratio_low_ + static_cast<std::uint64_t>(middle);
        const std::uint64_t quotient =
            high * ratio_high_ + static_cast<std::uint64_t>(middle >> 64) + static_cast<std::uint64_t>(cross >> 64);
        // The estimate is at most one too small, so the remainder is below 2p.
        return subtract_if_at_least(low - quotient * value_, value_);
    }
    std::uint64_t multiply(std::uint64_t x, std::uint64_t y) const { return reduce(static_cast<u128>(x) * y); }
    std::uint64_t add(std::uint64_t x, std::uint64_t y) const { return subtract_if_at_least(x + y, value_); }
    std::uint64_t subtract(std::uint64_t x, std::uint64_t y) const {
        return subtract_if_at_least(x + value_ - y, value_);
    }
    std::uint64_t multiply(std::uint64_t x, const ShoupFactor& w) const {
        return subtract_if_at_least(multiply_lazy(x, w.value, w.quotient, value_), value_);
    }
    /// Residue of a signed integer with |x| < p.
    std::uint64_t from_signed(std::int64_t x) const {
        return static_cast<std::uint64_t>(x) + (value_ & static_cast<std::uint64_t>(x >> 63));
    }
    /// floor(2^64 w / p) for w < p, as remainder-free arithmetic: constant time, so that w may be secret.
    std::uint64_t shoup_quotient(std::uint64_t w) const;
    ShoupFactor shoup(std::uint64_t w) const { return {w, shoup_quotient(w)}; }

    /// Public operands only. inverse: of a unit.
    std::uint64_t power(std::uint64_t base, std::uint64_t exponent) const;
    std::uint64_t inverse(std::uint64_t x) const { return power(x, inverse_exponent_); }

private:
    Modulus(std::uint64_t value, const std::array<std::uint64_t, 2>& factors);

    std::uint64_t value_;
    std::array<std::uint64_t, 2> factors_;
    std::uint64_t inverse_exponent_;  ///< the order of the group of units, less one
    std::uint64_t ratio_high_, ratio_low_;
    int bits_;
};

/// Exact division of 64-bit numbers by a fixed public d >= 2 in constant time (a division instruction is not).
class Divider {
public:
    explicit Divider(std::uint64_t d) : d_(d), reciprocal_(~std::uint64_t{0} / d) {}
    /// floor(x / d). floor((2^64 - 1) / d) makes the estimate at most one too small for x < 2^63 (and d >= 2).
    std::uint64_t quotient(std::uint64_t x) const {
        const std::uint64_t estimate = high_product(x, reciprocal_);
        return estimate + static_cast<std::uint64_t>(x - estimate * d_ >= d_);
    }

private:
    std::uint64_t d_, reciprocal_;
};

/// Deterministic for all 64-bit numbers (Miller-Rabin with the first twelve primes as bases).
bool is_prime(std::uint64_t x);

/// Largest prime p = 1 mod step with p < limit; Error(kInvalidArgument) if there is none.
std::uint64_t largest_prime_below(std::uint64_t limit, std::uint64_t step);

/// The smallest primitive `order`-th root of unity mod p, order a power of two dividing p - 1: a canonical choice, so
/// that slots mean the same for both parties. Mod a product: the root that is this one mod either prime.
std::uint64_t primitive_root(const Modulus& modulus, std::uint64_t order);

}  // namespace flash::lattice
