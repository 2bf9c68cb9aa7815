#include "lattice/modulus.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "lattice/security.h"

namespace flash::lattice {
namespace {

const std::uint64_t kLimits[] = {17, 1u << 16, 1u << 28, 1ull << 32, 1ull << 50, 1ull << 54, 1ull << 60};

TEST(Modulus, ArithmeticAgreesWithPlainDivision) {
    std::mt19937_64 generator(1);
    for (std::uint64_t limit : kLimits) {
        const Modulus modulus(largest_prime_below(limit, 2));
        const std::uint64_t p = modulus.value();
        for (int i = 0; i < 2000; ++i) {
            // The first rounds take the largest values.
            const std::uint64_t x = i < 2 ? p - 1 : generator() % p, y = i < 1 ? p - 1 : generator() % p;
            const u128 wide =
                i < 2 ? ~u128{0} - static_cast<unsigned>(i) : static_cast<u128>(generator()) << 64 | generator();
            ASSERT_EQ(modulus.reduce(wide), static_cast<std::uint64_t>(wide % p));
            ASSERT_EQ(modulus.multiply(x, y), static_cast<std::uint64_t>(static_cast<u128>(x) * y % p));
            ASSERT_EQ(modulus.add(x, y), (x + y) % p);
            ASSERT_EQ(modulus.subtract(x, y), (x + p - y) % p);
            ASSERT_EQ(modulus.shoup_quotient(y), static_cast<std::uint64_t>((static_cast<u128>(y) << 64) / p));
            ASSERT_EQ(modulus.multiply(static_cast<std::uint64_t>(wide), modulus.shoup(y)),
                      static_cast<std::uint64_t>(static_cast<u128>(static_cast<std::uint64_t>(wide)) * y % p));
        }
        EXPECT_EQ(modulus.from_signed(-1), p - 1);
        EXPECT_EQ(modulus.from_signed(3), 3u);
        EXPECT_EQ(modulus.multiply(5, modulus.inverse(5)), 1u);
    }
}

TEST(Modulus, ProductsOfTwoPrimes) {
    std::mt19937_64 generator(3);
    const std::pair<std::uint64_t, std::uint64_t> sizes[] = {
        {1 << 10, 1 << 12}, {1 << 24, 1 << 24}, {1 << 25, 1 << 25}, {1ull << 30, 1ull << 30}};
    for (const auto& [low, high] : sizes) {
        const Modulus first(largest_prime_below(low, 128)),
            second(largest_prime_below(low == high ? first.value() : high, 128));
        const Modulus modulus = Modulus::product(first, second);
        const std::uint64_t p = first.value() * second.value();
        EXPECT_TRUE(modulus.is_product());
        EXPECT_EQ(modulus.value(), p);
        for (int i = 0; i < 1000; ++i) {
            const std::uint64_t x = i < 2 ? p - 1 : generator() % p, y = i < 1 ? p - 1 : generator() % p;
            ASSERT_EQ(modulus.multiply(x, y), static_cast<std::uint64_t>(static_cast<u128>(x) * y % p));
            ASSERT_EQ(modulus.multiply(x, modulus.shoup(y)), modulus.multiply(x, y));
            if (x % first.value() && x % second.value()) {
                ASSERT_EQ(modulus.multiply(x, modulus.inverse(x)), 1u);
            }
        }
        const std::uint64_t root = primitive_root(modulus, 128);
        EXPECT_EQ(root % first.value(), primitive_root(first, 128));
        EXPECT_EQ(root % second.value(), primitive_root(second, 128));
        EXPECT_EQ(modulus.power(root, 64), p - 1);
        EXPECT_THROW(Modulus::product(modulus, first), Error);
        EXPECT_THROW(Modulus::product(first, first), Error);
    }
    EXPECT_FALSE(Modulus(17).is_product());
    const Modulus large(largest_prime_below(1ull << 40, 2));
    EXPECT_THROW(Modulus::product(large, Modulus(largest_prime_below(1ull << 30, 2))), Error);
}

TEST(Modulus, RefusesCompositesAndLargePrimes) {
    EXPECT_THROW(Modulus(15), Error);
    EXPECT_THROW(Modulus(2), Error);
    EXPECT_THROW(Modulus((1ull << 61) - 1), Error);  // a prime
}

TEST(Divider, IsExact) {
    std::mt19937_64 generator(2);
    for (std::uint64_t d : {2ull, 3ull, 16760833ull, 268369921ull, (1ull << 31) - 1, (1ull << 32) + 1}) {
        const Divider divider(d);
        for (int i = 0; i < 5000; ++i) {
            std::uint64_t x = generator() >> 1 >> (i % 40);
            if (i % 3 == 0) x = x / d * d;
            if (i % 3 == 1) x = x / d * d + d - 1;
            ASSERT_EQ(divider.quotient(x), x / d) << x << " / " << d;
        }
        EXPECT_EQ(divider.quotient(0), 0u);
    }
}

TEST(Primes, AreRecognised) {
    EXPECT_TRUE(is_prime(2));
    EXPECT_TRUE(is_prime(65537));
    EXPECT_TRUE(is_prime((1ull << 61) - 1));
    EXPECT_FALSE(is_prime(0));
    EXPECT_FALSE(is_prime(1));
    EXPECT_FALSE(is_prime(3215031751ull));           // strong pseudoprime to the bases 2, 3, 5, 7
    EXPECT_FALSE(is_prime(3825123056546413051ull));  // and to 2, ..., 23
    EXPECT_THROW(largest_prime_below(100, 1000), Error);
}

TEST(Primes, RootsHaveTheirOrder) {
    const Modulus modulus(largest_prime_below(1 << 28, 8192));
    const std::uint64_t root = primitive_root(modulus, 8192);
    EXPECT_EQ(modulus.power(root, 4096), modulus.value() - 1);
    EXPECT_THROW(primitive_root(modulus, 3), Error);
}

TEST(Security, TableIsEnforced) {
    const std::pair<std::size_t, int> rows[] = {{1024, 26}, {2048, 53}, {4096, 106}, {8192, 214}, {16384, 430}};
    for (const auto& [n, bits] : rows) {
        EXPECT_NO_THROW(require_secure(n, bits));
        EXPECT_THROW(require_secure(n, bits + 1), Error);
        EXPECT_THROW(require_secure(n, 0), Error);
    }
    EXPECT_THROW(require_secure(512, 10), Error);
    EXPECT_THROW(require_secure(3000, 10), Error);
    static_assert(is_secure(8192, 214) && !is_secure(8192, 215));
    static_assert(is_secure(1024, 26) && !is_secure(1024, 27));
}

}  // namespace
}  // namespace flash::lattice
