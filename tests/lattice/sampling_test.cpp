#include "lattice/sampling.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "base/error.h"

namespace flash::lattice {
namespace {

Prng generator(std::uint64_t seed) { return Prng(SecretSeed::for_testing(seed), "sampling test"); }

TEST(Sampling, TernaryIsUniform) {
    Prng rng = generator(1);
    std::array<double, 3> counts{};
    constexpr std::size_t kCount = 300001;  // not a multiple of four
    std::vector<std::int8_t> values(kCount, 9);
    sample_ternary(rng, values);
    double neighbours = 0;
    for (std::size_t i = 0; i < kCount; ++i) {
        ASSERT_LE(std::abs(values[i]), 1);
        counts[static_cast<std::size_t>(values[i] + 1)] += 1;
        if (i) neighbours += values[i] * values[i - 1];
    }
    for (double count : counts) EXPECT_NEAR(count, kCount / 3.0, 6 * std::sqrt(kCount * 2.0 / 9));
    EXPECT_NEAR(neighbours, 0, 6 * std::sqrt(kCount) * 2 / 3);
}

TEST(Sampling, ErrorHasItsMoments) {
    Prng rng = generator(2);
    constexpr std::size_t kCount = 1000003;
    std::vector<std::int8_t> values(kCount);
    sample_error(rng, values);
    double sum = 0, squares = 0, fourth = 0;
    for (std::int8_t v : values) {
        ASSERT_LE(std::abs(v), kErrorBits);
        sum += v;
        squares += v * v;
        fourth += std::pow(v, 4);
    }
    const double variance = kErrorBits / 2.0, count = kCount;
    EXPECT_NEAR(sum / count, 0, 6 * std::sqrt(variance / count));
    EXPECT_NEAR(squares / count, variance, 6 * variance * std::sqrt(2 / count));
    // 2k fair signs halved: fourth moment 3 V^2 - V/2 * ... = (3 (2k)^2 - 2 (2k)) / 16.
    const double signs = 2 * kErrorBits;
    EXPECT_NEAR(fourth / count, (3 * signs * signs - 2 * signs) / 16, 8);
}

TEST(Sampling, UniformStaysBelowThePrimeAndIsReproducible) {
    // A prime just above a power of two rejects nearly half of the draws.
    const Modulus modulus(largest_prime_below((1ull << 40) + 2000, 2));
    ASSERT_GT(modulus.value(), 1ull << 40);
    std::vector<std::uint64_t> x(50000), y(50000);
    Prng first = generator(3), second = generator(3);
    sample_uniform(first, modulus, x);
    sample_uniform(second, modulus, y);
    EXPECT_EQ(x, y);
    double sum = 0;
    for (std::uint64_t v : x) {
        ASSERT_LT(v, modulus.value());
        sum += static_cast<double>(v) / static_cast<double>(modulus.value());
    }
    EXPECT_NEAR(sum / 50000, 0.5, 6 / std::sqrt(12.0 * 50000));
}

TEST(Sampling, FloodingIsUniformInItsIntervalAndConsistent) {
    const Modulus first(largest_prime_below(1ull << 54, 8192)), second(largest_prime_below(first.value(), 8192));
    const u128 q = static_cast<u128>(first.value()) * second.value();
    const std::uint64_t inverse = second.inverse(first.value() % second.value());
    for (int log_bound : {0, 10, 74, 78}) {
        Prng rng = generator(4);
        constexpr std::size_t kCount = 20000;
        std::vector<std::uint64_t> x(kCount), y(kCount);
        sample_flooding(rng, log_bound, first, second, x, y);
        const double bound = std::ldexp(1.0, log_bound);
        double sum = 0, squares = 0;
        for (std::size_t i = 0; i < kCount; ++i) {
            // Chinese remainder: the integer behind the residues, centred.
            const std::uint64_t k = second.multiply(second.subtract(y[i], x[i] % second.value()), inverse);
            const u128 value = x[i] + static_cast<u128>(k) * first.value();
            const double real = value > q / 2 ? -static_cast<double>(q - value) : static_cast<double>(value);
            ASSERT_GE(real, -bound);
            ASSERT_LT(real, bound);
            sum += real / bound;
            squares += real / bound * real / bound;
        }
        if (log_bound < 10) continue;
        EXPECT_NEAR(sum / kCount, 0, 6 / std::sqrt(3.0 * kCount) + 1 / bound);
        EXPECT_NEAR(squares / kCount, 1.0 / 3, 0.02);
    }
}

}  // namespace
}  // namespace flash::lattice
