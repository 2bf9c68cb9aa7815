// Sines of shares: every rounding of every amplitude, the product over all pairs of shares, and the kernels' siblings.
#include "model/sine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>
#include <vector>

#include "base/error.h"

namespace flash::model {
namespace {

constexpr std::uint32_t kTurns = 1 << 16;

long double exact(std::uint32_t turn) {
    return std::sin(2 * std::numbers::pi_v<long double> * static_cast<long double>(turn % kTurns) / kTurns);
}

TEST(Sine, EveryFactorIsExactlyRounded) {
    for (std::uint32_t turn = 0; turn < kTurns; ++turn) {
        const long double sine = exact(turn);
        for (int amplitude : kAmplitudes)
            ASSERT_EQ(rounded_sine(turn, amplitude), std::lround(amplitude * sine)) << turn << " " << amplitude;
        ASSERT_LE(std::abs(sine_of_turn(turn) - 0x1p30L * sine), 3) << turn;
        ASSERT_EQ(sine_of_turn(turn), sine_of_turn(turn + kTurns)) << "whole periods are nothing";
    }
}

TEST(Sine, TheCurveIsRoundedForEverySquareOfAnAmplitude) {
    for (int amplitude : kAmplitudes)
        for (std::uint32_t turn = 0; turn < kTurns; turn += 7) {
            const long double curve = exact(turn) * amplitude * amplitude;
            ASSERT_LE(std::abs(rounded_sine(turn, amplitude * amplitude) - curve), 0.55L);
        }
}

TEST(Sine, EverySharingOfEveryXIsWithinTheBoundOfTheCurve) {
    for (int bits : {6, 8})
        for (int amplitude : {8, 91, 1024}) {
            const std::uint32_t mask = (1u << bits) - 1;
            double largest = 0, sum = 0;
            for (std::uint32_t x = 0; x <= mask; ++x)
                for (std::uint32_t server = 0; server <= mask; ++server) {
                    const std::uint32_t client = (x + (1u << (bits - 2)) - server) & mask;
                    const auto error = static_cast<double>(sine_of_shares(client, server, bits, amplitude) -
                                                           sine_curve(x, bits, amplitude));
                    largest = std::max(largest, std::abs(error));
                    sum += error * error;
                }
            EXPECT_LE(largest, sine_bound(amplitude));
            EXPECT_GT(largest, 0.4 * sine_bound(amplitude)) << "the bound is not far from what happens";
            EXPECT_LT(std::sqrt(sum) / (mask + 1), 0.6 * amplitude) << "S / sqrt(6), where the roundings are as random";
        }
}

TEST(Sine, TheCurveHasThePeriod) {
    for (std::int64_t x : {-300, -1, 0, 5, 77})
        for (std::int64_t periods : {-3, 1, 1000})
            EXPECT_EQ(sine_curve(x, 8, 128), sine_curve(x + periods * 256, 8, 128));
}

TEST(Sine, FactorsAreThoseOfTheClearProduct) {
    constexpr std::uint32_t kModulus = 16760833;
    std::mt19937 random(1);
    for (int bits : {6, 9, 16}) {
        const std::uint32_t mask = (1u << bits) - 1;
        std::vector<std::uint32_t> client, server;
        for (int i = 0; i < 1003; ++i) {
            client.push_back(static_cast<std::uint32_t>(random()) & mask);
            server.push_back(static_cast<std::uint32_t>(random()) & mask);
        }
        std::vector<std::uint32_t> a(client.size()), b(a), c(a), d(a);
        sine_factors(client, ShareOf::kClient, bits, 362, kModulus, a, b);
        sine_factors(server, ShareOf::kServer, bits, 362, kModulus, c, d);
        for (std::size_t i = 0; i < a.size(); ++i) {
            const std::uint64_t product = std::uint64_t{a[i]} * d[i] + std::uint64_t{b[i]} * c[i];
            const std::int64_t clear = sine_of_shares(client[i], server[i], bits, 362);
            ASSERT_LT(a[i], kModulus);
            ASSERT_EQ(product % kModulus, static_cast<std::uint64_t>(clear < 0 ? clear + kModulus : clear));
        }
    }
}

TEST(Sine, AllInstructionSetsGiveTheSameFactors) {
    std::mt19937 random(2);
    for (const std::size_t count : {std::size_t{1}, std::size_t{17}, std::size_t{4096}}) {
        std::vector<std::uint32_t> shares(count);
        for (std::uint32_t& share : shares) share = static_cast<std::uint32_t>(random()) & 0xffff;
        for (int amplitude : kAmplitudes)
            for (ShareOf party : {ShareOf::kClient, ShareOf::kServer}) {
                std::vector<std::uint32_t> sines(count), cosines(count);
                sine_factors(shares, party, 16, amplitude, 268369921, sines, cosines, InstructionSet::kPortable);
                for (InstructionSet set : supported_instruction_sets()) {
                    std::vector<std::uint32_t> s(count), c(count);
                    sine_factors(shares, party, 16, amplitude, 268369921, s, c, set);
                    EXPECT_EQ(s, sines) << to_string(set);
                    EXPECT_EQ(c, cosines) << to_string(set);
                }
            }
    }
}

TEST(Sine, WhatIsOutOfRangeIsRefused) {
    std::vector<std::uint32_t> shares(8), sines(8), cosines(8), few(7);
    EXPECT_THROW(sine_factors(shares, ShareOf::kClient, 17, 128, 97, sines, cosines), Error);
    EXPECT_THROW(sine_factors(shares, ShareOf::kClient, 8, 127, 97, sines, cosines), Error);
    EXPECT_THROW(sine_factors(shares, ShareOf::kClient, 8, 128, 97, sines, few), Error);
}

}  // namespace
}  // namespace flash::model
