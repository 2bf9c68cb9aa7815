#include "lattice/sampling.h"
#include "base/siblings.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <vector>

#include "lattice/kernels/sampling.h"

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

/// Runs a sampler with every instruction set; all must draw the same values and leave the stream at the same place.
template <class T, class Sampler>
void expect_agreement(const Sampler& sampler, const char* name) {
    for (std::size_t count : {0u,  1u,  2u,  3u,  4u,  5u,   7u,    8u,    9u,    15u,   16u,
                              17u, 31u, 33u, 63u, 64u, 127u, 1000u, 1024u, 2048u, 4095u, 20003u}) {
        std::vector<T> expected;
        std::uint64_t next = 0;
        for (InstructionSet set : supported_instruction_sets()) {
            Prng rng = generator(count);
            std::vector<T> values(count + 1, 99);  // one more, to see that nothing is written beyond the end
            sampler(rng, std::span(values).first(count), set);
            ASSERT_EQ(values.back(), T{99}) << name << " " << count << " " << to_string(set);
            const std::uint64_t after = rng.u64();
            if (set == InstructionSet::kPortable) {
                expected = values;
                next = after;
            }
            ASSERT_EQ(values, expected) << name << " " << count << " " << to_string(set);
            ASSERT_EQ(after, next) << name << " " << count << " " << to_string(set);
        }
    }
}

TEST(Sampling, InstructionSetsAgree) {
    expect_agreement<std::int8_t>([](Prng& rng, auto out, InstructionSet set) { sample_ternary(rng, out, set); },
                                  "ternary");
    expect_agreement<std::int8_t>([](Prng& rng, auto out, InstructionSet set) { sample_error(rng, out, set); },
                                  "error");
    std::vector<Modulus> moduli;
    for (int bits : {3, 8, 9, 24, 34, 40, 48, 50, 52, 57, 60}) {
        moduli.emplace_back(largest_prime_below(1ull << bits, 2));
        moduli.emplace_back(largest_prime_below((1ull << (bits - 1)) + 100, 2));
    }
    for (const Modulus& modulus : moduli)
        expect_agreement<std::uint64_t>(
            [&](Prng& rng, auto out, InstructionSet set) { sample_uniform(rng, modulus, out, set); }, "uniform");
}

TEST(Sampling, ExtremeRandomBitsGiveTheRightSamples) {
    // The edges of the ternary digits, and all and no ones, in every lane.
    std::vector<std::uint64_t> words = {0,
                                        ~0ull,
                                        0x5555555555555555,
                                        0x5555555555555556,
                                        0xaaaaaaaaaaaaaaaa,
                                        0xaaaaaaaaaaaaaaab,
                                        0x1fffff,
                                        0x1fffff00000000,
                                        0xffe00000ffe00000,
                                        1ull << 63,
                                        1};
    while (words.size() % 33) words.push_back(words[words.size() * 7 % 11]);
    for (InstructionSet set : supported_instruction_sets()) {
        const auto ternary =
            choose_sibling<decltype(&kernels::ternary_portable)>(set, {.portable = kernels::ternary_portable,
                                                                       .neon = FLASH_NEON(kernels::ternary_neon),
                                                                       .avx2 = FLASH_X86(kernels::ternary_avx2),
                                                                       .avx512 = FLASH_X86(kernels::ternary_avx512)});
        const auto error =
            choose_sibling<decltype(&kernels::error_portable)>(set, {.portable = kernels::error_portable,
                                                                     .neon = FLASH_NEON(kernels::error_neon),
                                                                     .avx2 = FLASH_X86(kernels::error_avx2),
                                                                     .avx512 = FLASH_X86(kernels::error_avx512)});
        std::vector<std::int8_t> digits(4 * words.size()), errors(words.size());
        ternary(words.data(), digits.size(), digits.data());
        std::vector<std::uint8_t> bytes(kernels::kErrorBytes * words.size() + kernels::kSlack);
        for (std::size_t i = 0; i < words.size(); ++i)
            for (std::size_t j = 0; j < kernels::kErrorBytes; ++j)
                bytes[kernels::kErrorBytes * i + j] =
                    static_cast<std::uint8_t>(words[i] >> (j < 3 ? 8 * j : 8 * j + 8));
        error(bytes.data(), errors.size(), errors.data());
        for (std::size_t i = 0; i < words.size(); ++i) {
            u128 fraction = words[i];
            for (std::size_t j = 0; j < 4; ++j) {
                fraction *= 3;
                ASSERT_EQ(digits[4 * i + j], static_cast<int>(fraction >> 64) - 1) << to_string(set);
                fraction = static_cast<std::uint64_t>(fraction);
            }
            ASSERT_EQ(errors[i], std::popcount(words[i] & 0x1fffff) - std::popcount((words[i] >> 32) & 0x1fffff))
                << to_string(set);
        }
    }
}

}  // namespace
}  // namespace flash::lattice
