#include "lattice/words.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/error.h"
#include "lattice/modulus.h"

namespace flash::lattice {
namespace {

TEST(Words, AddScaledRoundsExactly) {
    std::mt19937 generator(4);
    // The estimates of the kernels are inexact, so what matters are values whose quotient is next to a half: 2^32 v = d
    // / 2 + little mod d.
    for (std::uint32_t d : {3u, 5u, 257u, 65537u, 16760833u, (1u << 28) - 57u, (1u << 30) + 1u, (1u << 31) - 1u}) {
        std::uint64_t inverse = 1;  // of 2^32 mod d
        for (int i = 0; i < 32; ++i) inverse = inverse * ((d + 1ull) / 2) % d;
        for (std::size_t count : {0u, 1u, 3u, 7u, 8u, 9u, 31u, 1024u, 2048u}) {
            std::vector<std::uint32_t> values(count), start(count);
            for (std::size_t i = 0; i < count; ++i) {
                const std::uint64_t near_half = inverse * (d / 2 + i % 32) % d;
                values[i] = i == 0   ? d - 1
                            : i == 1 ? 0
                                     : static_cast<std::uint32_t>(i % 2 ? generator() % d : near_half);
                start[i] = static_cast<std::uint32_t>(generator());
            }
            for (InstructionSet set : supported_instruction_sets()) {
                std::vector<std::uint32_t> out = start;
                EXPECT_TRUE(add_scaled(values, d, out, set));
                for (std::size_t i = 0; i < count; ++i) {
                    const u128 twice = (static_cast<u128>(values[i]) << 33) + d;  // floor(x + 1/2) with x = 2^32 v / d
                    ASSERT_EQ(out[i], start[i] + static_cast<std::uint32_t>(twice / (2 * static_cast<u128>(d))))
                        << d << " " << to_string(set);
                }
                if (count == 0) continue;
                for (const std::uint32_t outside : {d, 0xffffffffu, 0x80000000u}) {
                    std::vector<std::uint32_t> bad = values;
                    bad[count / 2] = outside;
                    EXPECT_FALSE(add_scaled(bad, d, out, set)) << outside << " " << to_string(set);
                }
            }
        }
    }
    std::vector<std::uint32_t> words(8), fewer(7);
    EXPECT_THROW((void)add_scaled(words, 4, words), Error);
    EXPECT_THROW((void)add_scaled(words, 1, words), Error);
    EXPECT_THROW((void)add_scaled(words, 3, fewer), Error);
}

TEST(Words, AddSmall) {
    for (std::size_t count : {0u, 1u, 7u, 8u, 15u, 16u, 17u, 256u, 2048u})
        for (InstructionSet set : supported_instruction_sets()) {
            std::vector<std::int8_t> small(count);
            std::vector<std::uint32_t> out(count + 1, 5);
            for (std::size_t i = 0; i < count; ++i) small[i] = static_cast<std::int8_t>(i);
            add_small(small, std::span(out).first(count), set);
            for (std::size_t i = 0; i < count; ++i)
                ASSERT_EQ(out[i], 5u + static_cast<std::uint32_t>(small[i])) << to_string(set);
            ASSERT_EQ(out[count], 5u);
        }
}

TEST(Words, AddSelectedChecksItsPositions) {
    const std::vector<std::uint32_t> words = {10, 11, 12, 13};
    std::vector<std::uint32_t> out = {100, 200, 300};
    const std::vector<std::uint16_t> positions = {3, 0, 3}, outside = {0, 4, 1}, fewer = {0, 1};
    add_selected(words, positions, out);
    EXPECT_EQ(out, (std::vector<std::uint32_t>{113, 210, 313}));
    EXPECT_THROW(add_selected(words, outside, out), Error);
    EXPECT_THROW(add_selected(words, fewer, out), Error);
    EXPECT_THROW(add_selected(std::span(words).first(3), positions, out), Error);  // not a power of two
    EXPECT_TRUE(all_positions_below(positions, 4));
    EXPECT_FALSE(all_positions_below(positions, 2));
    add(std::vector<std::uint32_t>{1, 2, 0xffffffff}, out);
    EXPECT_EQ(out, (std::vector<std::uint32_t>{114, 212, 312}));
    EXPECT_THROW(add(words, out), Error);
}

TEST(TopBits, RoundToNearestWithWrap) {
    for (int bits = 1; bits <= 32; ++bits) {
        std::vector<std::uint32_t> in = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x12345678, 0xfffff800, 0x000007ff};
        std::mt19937 generator(3);
        for (int i = 0; i < 100; ++i) in.push_back(static_cast<std::uint32_t>(generator()));
        for (InstructionSet set : supported_instruction_sets()) {
            std::vector<std::uint32_t> rounded = in;
            round_to_top_bits(rounded, bits, set);
            for (std::size_t i = 0; i < in.size(); ++i) {
                const std::uint64_t unit = std::uint64_t{1} << (32 - bits);
                ASSERT_EQ(rounded[i], (in[i] + unit / 2) / unit % (std::uint64_t{1} << bits)) << to_string(set);
            }
        }
        std::vector<std::uint32_t> out = in;
        round_to_top_bits(out, bits);
        from_top_bits(out, bits);
        for (std::size_t i = 0; i < in.size(); ++i) {
            const std::int64_t difference = static_cast<std::int32_t>(out[i] - in[i]);
            EXPECT_LE(std::abs(difference), bits == 32 ? 0 : std::int64_t{1} << (31 - bits));
        }
    }
}

}  // namespace
}  // namespace flash::lattice
