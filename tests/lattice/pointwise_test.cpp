#include "lattice/pointwise.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "reference.h"

namespace flash::lattice {
namespace {

constexpr std::size_t n = 256;
using Residues = std::vector<std::uint64_t>;

// Primes of every size in use, the largest below the limit included.
std::vector<Modulus> moduli() {
    std::vector<Modulus> result;
    for (int bits : {24, 28, 34, 36, 49, 50}) result.emplace_back(largest_prime_below(1ull << bits, 8192));
    return result;
}

// Random residues with the edges in front; two arrays of different seeds pair every edge with random values and with an
// edge.
Residues residues(std::uint64_t p, std::uint64_t seed) {
    Residues x = reference::random_residues(n, p, seed);
    for (std::size_t i = 0; i < 16; ++i)
        x[i] = std::vector<std::uint64_t>{0, 1, p / 2, p / 2 + 1, p - 1}[(i >> (seed % 3)) % 5];
    return x;
}

class EverySet : public testing::TestWithParam<InstructionSet> {};

TEST_P(EverySet, ProductsAreExact) {
    for (const Modulus& modulus : moduli()) {
        const std::uint64_t p = modulus.value();
        const Pointwise arithmetic(modulus, GetParam());
        const Residues x = residues(p, 1), w = residues(p, 2);
        Residues quotients(n), out(n);
        arithmetic.quotients(w, quotients);
        for (std::size_t i = 0; i < n; ++i)
            ASSERT_EQ(quotients[i], static_cast<std::uint64_t>((static_cast<u128>(w[i]) << 52) / p));
        arithmetic.multiply(x, w, quotients, out);
        for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(out[i], modulus.multiply(x[i], w[i]));
        // Any 52-bit x.
        Residues wide = reference::random_residues(n, 1ull << 52, 4);
        wide[0] = (1ull << 52) - 1;
        arithmetic.multiply(wide, w, quotients, out);
        for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(out[i], modulus.multiply(wide[i], w[i]));
    }
}

TEST_P(EverySet, SumsOfProductsAreExact) {
    for (const Modulus& modulus : moduli()) {
        const std::uint64_t p = modulus.value();
        const Pointwise arithmetic(modulus, GetParam());
        std::vector<Residues> x, y;
        const std::uint64_t limit = 1ull << 52;  // of the unreduced factors
        for (std::uint64_t k = 0; k < 4; ++k) {
            x.push_back(residues(p, 5 + k));
            y.push_back(residues(p, 11 + 2 * k));
            for (std::size_t i = 20; i < 30; ++i) x[k][i] = y[k][i] = p - 1;                  // the largest reduced sum
            for (std::size_t i = 30; i < 40; ++i) x[k][i] = p - 1, y[k][i] = limit - i + 29;  // the largest of all
            for (std::size_t i = 40; i < n; i += 3) y[k][i] += limit / p / 2 * p;
        }
        for (std::size_t count = 1; count <= 4; ++count) {
            const std::vector<std::span<const std::uint64_t>> left(x.begin(),
                                                                   x.begin() + static_cast<std::ptrdiff_t>(count)),
                right(y.begin(), y.begin() + static_cast<std::ptrdiff_t>(count));
            const std::vector<std::span<const std::uint64_t>> reversed(left.rbegin(), left.rend());
            Residues first(n, 12345), second(n, 12345), sum(n, 0), reversed_sum(n, 0);
            for (std::size_t k = 0; k < count; ++k)
                for (std::size_t i = 0; i < n; ++i) {
                    sum[i] = modulus.add(sum[i], modulus.multiply(left[k][i], right[k][i] % p));
                    reversed_sum[i] = modulus.add(reversed_sum[i], modulus.multiply(reversed[k][i], right[k][i] % p));
                }
            arithmetic.product_pair(left, reversed, right, first, second);
            ASSERT_EQ(first, sum) << p << " " << count;
            ASSERT_EQ(second, reversed_sum) << p << " " << count;
        }
    }
}

TEST_P(EverySet, LiftsAndWordsAreExact) {
    for (const Modulus& modulus : moduli()) {
        const std::uint64_t p = modulus.value();
        const Pointwise arithmetic(modulus, GetParam());
        std::vector<std::int8_t> small(n);
        for (std::size_t i = 0; i < n; ++i) small[i] = static_cast<std::int8_t>(static_cast<int>(i) - 128);
        Residues out(n);
        arithmetic.lift(small, out);
        for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(out[i], modulus.from_signed(small[i]));

        const Residues x = residues(p, 6);
        std::vector<std::uint32_t> words = reference::random_words(n, 7), sum = words, difference = words;
        arithmetic.add_centred(x, sum);
        arithmetic.subtract_centred(x, difference);
        for (std::size_t i = 0; i < n; ++i) {
            const std::uint32_t centred = static_cast<std::uint32_t>(x[i] > p / 2 ? x[i] - p : x[i]);
            ASSERT_EQ(sum[i], words[i] + centred);
            ASSERT_EQ(difference[i], words[i] - centred);
        }
        words[0] = 0x80000000u, words[1] = 0x7fffffffu, words[2] = 0xffffffffu;
        if (p >> 32) {
            arithmetic.lift(words, out);
            for (std::size_t i = 0; i < n; ++i)
                ASSERT_EQ(out[i], modulus.from_signed(static_cast<std::int32_t>(words[i])));
        } else {
            EXPECT_THROW(arithmetic.lift(words, out), Error);
        }
    }
}

TEST_P(EverySet, RangesAreChecked) {
    const Modulus modulus(largest_prime_below(1ull << 50, 8192));
    const Pointwise arithmetic(modulus, GetParam());
    Residues x = residues(modulus.value(), 8);
    EXPECT_TRUE(arithmetic.in_range(x));
    for (std::size_t i = 0; i < n; ++i)
        for (std::uint64_t bad : {modulus.value(), std::uint64_t{1} << 50, (std::uint64_t{1} << 63) - 1}) {
            const std::uint64_t good = std::exchange(x[i], bad);
            ASSERT_FALSE(arithmetic.in_range(x)) << i;
            x[i] = good;
        }
}

INSTANTIATE_TEST_SUITE_P(Pointwise, EverySet, testing::ValuesIn(supported_instruction_sets()),
                         [](const auto& set) { return std::string(to_string(set.param)); });

TEST(Pointwise, RefusesWrongSizesAndPrimes) {
    EXPECT_THROW(Pointwise(Modulus(largest_prime_below(1ull << 51, 8192))), Error);
    const Pointwise arithmetic{Modulus(65537)};
    Residues x(16), y(24), odd(12);
    EXPECT_THROW(arithmetic.multiply(x, x, x, y), Error);
    EXPECT_THROW(arithmetic.multiply(odd, odd, odd, odd), Error);
    const std::vector<std::span<const std::uint64_t>> five(5, x), one(1, x);
    EXPECT_THROW(arithmetic.product_pair(five, five, five, x, x), Error);
    EXPECT_THROW(arithmetic.product_pair(one, five, one, x, x), Error);
    EXPECT_THROW(arithmetic.product_pair(one, one, one, x, y), Error);
    EXPECT_THROW(arithmetic.product_pair({}, {}, {}, x, x), Error);
}

}  // namespace
}  // namespace flash::lattice
