#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/hash.h"

namespace flash {
namespace {

std::vector<std::uint8_t> take(Prng rng, std::size_t count) {
    std::vector<std::uint8_t> bytes(count);
    rng.fill(bytes);
    return bytes;
}

TEST(Prng, KnownAnswers) {
    // AES-256-CTR of zeros from counter 0 under HMAC-SHA256(seed, domain || 0 || little-endian indices), computed independently.
    PublicSeed seed{};
    for (std::size_t i = 0; i < seed.size(); ++i) seed[i] = static_cast<std::uint8_t>(i);
    EXPECT_EQ(to_hex(take(Prng(seed, "flash test"), 48)), "ed15ed72e832f520f34fe43a98fc4a7b31e4cf12f603848f22df0a941a01d37120ba7414fecb1ebb1b073c1e18083251");
    EXPECT_EQ(to_hex(take(Prng(seed, "flash test", {1, 0x123456789abcdef0}), 48)), "126f6f64f3396cbb1ab6904310e55c3129b2f221fb2131b6b076d98ebc40652e7e6005ce5678afe73c20dad95bf6eaef");
    EXPECT_EQ(to_hex(take(Prng(SecretSeed::for_testing(42), "flash test"), 48)), "a0c5a1e90719657338091b5c55db62d4985c6a863a818e78e6b890d422469ff19825c895f6abe6fdae385f30df6e3d88");
}

TEST(Prng, TheStreamDoesNotDependOnHowItIsCut) {
    const auto generator = [] { return Prng(SecretSeed::for_testing(1), "cut"); };
    const std::vector<std::uint8_t> whole = take(generator(), 20000);
    for (std::size_t piece : {1u, 7u, 4095u, 4096u, 4097u, 9000u}) {
        Prng rng = generator();
        std::vector<std::uint8_t> bytes(whole.size());
        for (std::size_t i = 0; i < bytes.size(); i += piece)
            rng.fill(std::span(bytes).subspan(i, std::min(piece, bytes.size() - i)));
        EXPECT_EQ(bytes, whole) << piece;
    }
    Prng words = generator();
    std::uint64_t first = 0;
    for (int i = 7; i >= 0; --i) first = first << 8 | whole[static_cast<std::size_t>(i)];
    EXPECT_EQ(words.u64(), first);
}

TEST(Prng, SeedsDomainsAndIndicesSeparateStreams) {
    const PublicSeed zero{}, one{1};
    std::set<std::vector<std::uint8_t>> streams;
    streams.insert(take(Prng(zero, "a"), 32));
    streams.insert(take(Prng(one, "a"), 32));
    streams.insert(take(Prng(zero, "b"), 32));
    streams.insert(take(Prng(zero, ""), 32));
    streams.insert(take(Prng(zero, "a", {0}), 32));
    streams.insert(take(Prng(zero, "a", {1}), 32));
    streams.insert(take(Prng(zero, "a", {0, 0}), 32));
    streams.insert(take(Prng(zero, "a", {0, 1}), 32));
    streams.insert(take(Prng(zero, "a", {1, 0}), 32));
    EXPECT_EQ(streams.size(), 9u);
    EXPECT_EQ(take(Prng(zero, "a", {5}), 32), take(Prng(zero, "a", {5}), 32));
}

TEST(Prng, BelowStaysBelowAndIsUniform) {
    Prng rng(SecretSeed::for_testing(2), "below");
    std::array<int, 5> counts{};
    for (int i = 0; i < 50000; ++i) ++counts[rng.below(5)];
    for (int count : counts) EXPECT_NEAR(count, 10000, 600);
    EXPECT_EQ(rng.below(1), 0u);
    for (int i = 0; i < 100; ++i) EXPECT_LT(rng.below((1ull << 62) + 1), (1ull << 62) + 1);
    EXPECT_THROW(rng.below(0), Error);
    EXPECT_THROW(rng.below((1ull << 63) + 1), Error);
}

TEST(Entropy, SeedsFromTheSystemDiffer) {
    EXPECT_NE(generate_public_seed(), generate_public_seed());
    const SecretSeed first = SecretSeed::generate(), second = SecretSeed::generate();
    EXPECT_FALSE(std::ranges::equal(first.bytes(), second.bytes()));
}

}  // namespace
}  // namespace flash
