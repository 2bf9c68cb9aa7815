#include "lattice/modulus.h"

#include <bit>

#include "base/error.h"

namespace flash::lattice {

namespace {

// Public operands: plain division is fine here.
std::uint64_t power_mod(std::uint64_t base, std::uint64_t exponent, std::uint64_t p) {
    u128 result = 1, square = base % p;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1) result = result * square % p;
        square = square * square % p;
    }
    return static_cast<std::uint64_t>(result);
}

}  // namespace

bool is_prime(std::uint64_t x) {
    constexpr std::uint64_t kBases[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37};
    if (x < 2) return false;
    for (std::uint64_t base : kBases) {
        if (x == base) return true;
        if (x % base == 0) return false;
    }
    const int twos = std::countr_zero(x - 1);
    for (std::uint64_t base : kBases) {
        u128 y = power_mod(base, (x - 1) >> twos, x);
        bool witness = y != 1 && y != x - 1;
        for (int i = 1; i < twos && witness; ++i) {
            y = y * y % x;
            if (y == x - 1) witness = false;
        }
        if (witness) return false;
    }
    return true;
}

namespace {

std::uint64_t checked_prime(std::uint64_t prime) {
    require(prime > 2 && prime < (std::uint64_t{1} << 60) && is_prime(prime), ErrorKind::kInvalidArgument,
            "a modulus must be an odd prime below 2^60");
    return prime;
}

}  // namespace

Modulus::Modulus(std::uint64_t prime) : Modulus(checked_prime(prime), {prime, 1}) {}

Modulus Modulus::product(const Modulus& first, const Modulus& second) {
    const u128 value = static_cast<u128>(first.value()) * second.value();
    require(!first.is_product() && !second.is_product() && first.value() != second.value() && value < (u128{1} << 60),
            ErrorKind::kInvalidArgument, "a composite modulus is a product of two different primes below 2^60");
    return Modulus(static_cast<std::uint64_t>(value), {first.value(), second.value()});
}

Modulus::Modulus(std::uint64_t value, const std::array<std::uint64_t, 2>& factors)
    : value_(value),
      factors_(factors),
      inverse_exponent_((factors[0] - 1) * (factors[1] == 1 ? 1 : factors[1] - 1) - 1),
      bits_(static_cast<int>(std::bit_width(value))) {
    // p is odd, so it does not divide 2^128, and floor((2^128 - 1) / p) = floor(2^128 / p).
    const u128 ratio = ~u128{0} / value;
    ratio_high_ = static_cast<std::uint64_t>(ratio >> 64);
    ratio_low_ = static_cast<std::uint64_t>(ratio);
}

std::uint64_t Modulus::shoup_quotient(std::uint64_t w) const {
    // w * floor(2^128 / p) / 2^64 is below 2^64 w / p by less than one, so its floor is at most one too small; the
    // remainder tells.
    const std::uint64_t estimate =
        static_cast<std::uint64_t>((static_cast<u128>(w) * ratio_low_ >> 64) + static_cast<u128>(w) * ratio_high_);
    const std::uint64_t remainder = 0 - estimate * value_;  // 2^64 w - estimate * p, in [0, 2p)
    return estimate + static_cast<std::uint64_t>(remainder >= value_);
}

std::uint64_t Modulus::power(std::uint64_t base, std::uint64_t exponent) const {
    return power_mod(base, exponent, value_);
}

std::uint64_t largest_prime_below(std::uint64_t limit, std::uint64_t step) {
    require(step > 0 && limit > 2, ErrorKind::kInvalidArgument, "no such prime: empty range");
    for (std::uint64_t p = (limit - 2) / step * step + 1; p > step; p -= step)
        if (is_prime(p)) return p;
    throw Error(ErrorKind::kInvalidArgument, "no such prime below this limit");
}

std::uint64_t primitive_root(const Modulus& modulus, std::uint64_t order) {
    if (modulus.is_product()) {
        const Modulus first(modulus.factors()[0]), second(modulus.factors()[1]);
        const std::uint64_t x = primitive_root(first, order), y = primitive_root(second, order);
        const std::uint64_t step =
            second.multiply(second.subtract(y, x % second.value()), second.inverse(first.value() % second.value()));
        return x + first.value() * step;
    }
    const std::uint64_t p = modulus.value();
    require(order >= 2 && std::has_single_bit(order) && (p - 1) % order == 0, ErrorKind::kInvalidArgument,
            "the order of a root of unity must be a power of two that divides p - 1");
    std::uint64_t root = 0;
    for (std::uint64_t g = 2; !root; ++g) {
        const std::uint64_t candidate = modulus.power(g, (p - 1) / order);
        if (modulus.power(candidate, order / 2) == p - 1) root = candidate;
    }
    // The primitive roots are the odd powers of any one of them.
    const std::uint64_t square = modulus.multiply(root, root);
    std::uint64_t smallest = root;
    for (std::uint64_t i = 1; i < order / 2; ++i) {
        root = modulus.multiply(root, square);
        if (root < smallest) smallest = root;
    }
    return smallest;
}

}  // namespace flash::lattice
