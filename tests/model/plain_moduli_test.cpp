#include "model/plain_moduli.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/error.h"

namespace flash::model {
namespace {

bool is_prime(std::uint32_t value) {
    for (std::uint32_t d = 2; std::uint64_t{d} * d <= value; ++d)
        if (value % d == 0) return false;
    return value > 1;
}

TEST(PlainModuli, AreTheLargestSuitablePrimes) {
    for (int degree : kSlotDegrees)
        for (int bits = kMinPlainBits; bits <= kMaxPlainBits; ++bits) {
            SCOPED_TRACE(std::to_string(degree) + ", " + std::to_string(bits) + " bits");
            const std::uint32_t top = std::uint32_t{1} << bits, step = 2 * static_cast<std::uint32_t>(degree);
            std::vector<std::uint32_t> expected;
            for (std::uint32_t p = 1; p < top; p += step)
                if (p >= top / 8 * 7 && is_prime(p)) expected.push_back(p);
            std::ranges::reverse(expected);
            for (int count = 1; count <= kMaxSlotModuli; ++count) {
                const SlotChoice slots{degree, count};
                const auto size = static_cast<std::size_t>(count);
                ASSERT_EQ(has_plain_moduli(slots, bits), expected.size() >= size) << count;
                if (expected.size() < size) {
                    EXPECT_THROW(plain_moduli(slots, bits), Error);
                    continue;
                }
                const auto moduli = plain_moduli(slots, bits);
                EXPECT_TRUE(std::ranges::equal(moduli, std::span(expected).first(size))) << count;
            }
        }
}

TEST(PlainModuli, OneInSlotsOfDegree4096) {
    const std::uint32_t known[] = {16760833, 33538049, 67084289, 134176769, 268369921};
    for (int bits = 24; bits <= 28; ++bits) EXPECT_EQ(plain_moduli({}, bits).front(), known[bits - 24]);
}

TEST(PlainModuli, EnoughForEveryChoiceFromTwentyFourBitsOn) {
    for (int degree : kSlotDegrees)
        for (int bits = 24; bits <= kMaxPlainBits; ++bits) EXPECT_TRUE(has_plain_moduli({degree, 7}, bits));
    for (int bits : {22, 23}) EXPECT_TRUE(has_plain_moduli({8192, 3}, bits));
    EXPECT_TRUE(has_plain_moduli({16384, 6}, 23));
}

TEST(PlainModuli, UnknownChoicesAreRefused) {
    for (const SlotChoice& slots : {SlotChoice{2048, 1}, SlotChoice{32768, 1}, SlotChoice{4096, 0}, SlotChoice{4096, 8},
                                    SlotChoice{-4096, 1}, SlotChoice{8192, -1}})
        EXPECT_FALSE(has_plain_moduli(slots, 24));
    for (int bits : {-1, 0, 19, 29, 1000}) EXPECT_FALSE(has_plain_moduli({}, bits));
}

TEST(ChannelGroups, AreBalancedWithinAndAcrossValues) {
    for (int k = 1; k <= kMaxSlotModuli; ++k)
        for (int channels : {1, 3, 16, 64, 100}) {
            std::vector<int> all(static_cast<std::size_t>(k));
            for (int value = 0; value < k; ++value) {
                std::vector<int> own(static_cast<std::size_t>(k));
                for (int c = 0; c < channels; ++c) {
                    const int group = channel_group(value, c, k);
                    ASSERT_TRUE(group >= 0 && group < k);
                    ++own[static_cast<std::size_t>(group)];
                    ++all[static_cast<std::size_t>(group)];
                }
                const auto [least, most] = std::ranges::minmax(own);
                EXPECT_LE(most - least, 1);
            }
            // Over k values of as many channels each group has the same.
            EXPECT_EQ(std::ranges::count(all, channels), k);
        }
}

}  // namespace
}  // namespace flash::model
