#include "scheme/composite_parameters.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <set>

#include "base/error.h"
#include "scheme/composite_ring.h"

namespace flash::scheme {
namespace {

double log2_of(const std::vector<lattice::Modulus>& moduli) {
    double sum = 0;
    for (const lattice::Modulus& m : moduli) sum += std::log2(static_cast<double>(m.value()));
    return sum;
}

TEST(CompositeParameters, ModuliAreWhatTheSchemeNeeds) {
    for (const CompositeShape& shape : kCompositeShapes)
        for (int bits = 22; bits <= 28; ++bits)
            for (int rank : {2, 3}) {
                CompositeParameters p;
                try {
                    p = choose_composite_parameters(shape, bits, rank, std::exp2(20));
                } catch (const Error& error) {
                    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
                    continue;
                }
                EXPECT_TRUE(is_admissible(p));
                const CompositeModuli moduli = composite_moduli(p);
                std::set<std::uint64_t> primes;
                int q_bits = 0;
                const auto add = [&](const lattice::Modulus& m, std::uint64_t limit) {
                    EXPECT_LT(m.value(), limit);
                    for (std::uint64_t prime : m.factors()) {
                        if (prime == 1) continue;
                        EXPECT_TRUE(lattice::is_prime(prime));
                        EXPECT_EQ(prime % (2 * p.degree), 1u);
                        EXPECT_TRUE(primes.insert(prime).second) << prime;
                    }
                };
                ASSERT_EQ(moduli.plain.size(), static_cast<std::size_t>(shape.residues));
                std::uint64_t above = std::uint64_t{1} << bits;
                for (std::uint32_t t : moduli.plain) {
                    EXPECT_EQ(t, lattice::largest_prime_below(above, 2 * p.degree));
                    EXPECT_EQ(std::bit_width(t), static_cast<unsigned>(bits));
                    above = t;
                }
                for (const lattice::Modulus& m : moduli.groups) add(m, std::uint64_t{1} << 50), q_bits += m.bits();
                for (const lattice::Modulus& m : moduli.delta) add(m, std::uint64_t{1} << 47), q_bits += m.bits();
                EXPECT_EQ(primes.size(), moduli.plain.size() + moduli.delta.size());
                for (const lattice::Modulus& m : moduli.answer) add(m, std::uint64_t{1} << 47);
                EXPECT_LE(q_bits, p.modulus_bits());
                EXPECT_LE(log2_of(moduli.groups) + log2_of(moduli.delta), p.modulus_bits());
                EXPECT_TRUE(lattice::is_secure(p.degree, q_bits));
            }
}

TEST(CompositeParameters, AFewestBitsForTheProbabilityAskedFor) {
    for (const CompositeShape& shape : {CompositeShape{8192, 2}, CompositeShape{8192, 3}, CompositeShape{16384, 6}})
        for (double coefficients : {1e4, 1e6, 8e6})
            for (double log_failure : {-20.0, -30.0}) {
                const CompositeParameters p = choose_composite_parameters(shape, 24, 3, coefficients, log_failure);
                EXPECT_LE(log2_wrong_rounding(p, coefficients), log_failure);
                EXPECT_GT(log2_wrong_rounding(p, coefficients), log_failure - 1.6);
                // One bit less of either does not do: each has half of the probability.
                CompositeParameters less = p;
                --less.delta_bits;
                EXPECT_GT(log2_wrong_rounding(less, coefficients), log_failure - 0.6);
                if (p.answer_bits > 40) {
                    less = p;
                    --less.answer_bits;
                    EXPECT_GT(log2_wrong_rounding(less, coefficients), log_failure - 0.6);
                }
            }
    // The sizes of the design: 205 bits or so for 3 values of 24 bits, 55 of an answer below P.
    const CompositeParameters p = choose_composite_parameters({8192, 3}, 24, 3, std::exp2(19.5));
    EXPECT_NEAR(p.modulus_bits(), 203, 2);
    EXPECT_NEAR(p.answer_bits, 55, 1);
}

TEST(CompositeParameters, WhatTheSecurityTableRefuses) {
    const auto refused = [](const CompositeShape& shape, int bits, double coefficients) {
        try {
            choose_composite_parameters(shape, bits, 3, coefficients);
        } catch (const Error& error) {
            return error.kind() == ErrorKind::kInvalidArgument;
        }
        return false;
    };
    EXPECT_FALSE(refused({4096, 1}, 24, std::exp2(20)));
    EXPECT_TRUE(refused({4096, 1}, 24, std::exp2(24)));
    EXPECT_TRUE(refused({4096, 2}, 24, std::exp2(16)));
    EXPECT_FALSE(refused({8192, 3}, 24, std::exp2(23)));
    EXPECT_TRUE(refused({8192, 3}, 28, std::exp2(23)));
    EXPECT_TRUE(refused({8192, 4}, 24, std::exp2(16)));
    EXPECT_TRUE(refused({2048, 1}, 20, std::exp2(16)));
    EXPECT_TRUE(refused({5000, 1}, 24, std::exp2(16)));
    EXPECT_TRUE(refused({8192, 2}, 29, std::exp2(16)));
    EXPECT_TRUE(refused({8192, 2}, 19, std::exp2(16)));
    // A ring cannot be had outside the table, by whatever way the parameters came.
    const CompositeParameters good = choose_composite_parameters({8192, 3}, 24, 3, std::exp2(20));
    CompositeParameters wide = good, small = good, many = good, long_sum = good, large = good;
    wide.delta_bits = 214 - 72 + 1;
    small.degree = 4096;
    many.residues = 6;
    long_sum.rank = 4;
    large.plain_bits = 29;
    for (const CompositeParameters& bad : {wide, small, many, long_sum, large}) {
        EXPECT_FALSE(is_admissible(bad));
        EXPECT_THROW(CompositeRing::of(bad), Error);
    }
    EXPECT_EQ(CompositeRing::of(good), CompositeRing::of(good));
}

}  // namespace
}  // namespace flash::scheme
