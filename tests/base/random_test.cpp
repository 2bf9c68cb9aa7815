#include "base/random.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "base/kernels/aes_ctr.h"

namespace flash {
namespace {

std::vector<std::uint8_t> take(Prng&& rng, std::size_t count) {
    std::vector<std::uint8_t> bytes(count);
    rng.fill(bytes);
    return bytes;
}

void encrypt(InstructionSet set, kernels::AesKey key, std::uint64_t index, std::uint64_t block, std::uint8_t* out,
             std::size_t blocks) {
    if (set < InstructionSet::kAvx2) return kernels::aes256_ctr_portable(key, index, block, out, blocks);
#if defined(__x86_64__)
    kernels::aes256_expand_avx2(key);
    if (set == InstructionSet::kAvx2) return kernels::aes256_ctr_avx2(key, index, block, out, blocks);
    kernels::aes256_ctr_avx512(key, index, block, out, blocks);
#endif
}

TEST(AesCtr, KeyStreamOfTheStandard) {
    // NIST SP 800-38A, F.5.5: the output blocks of CTR-AES256.
    constexpr std::array<std::uint8_t, 32> kKey = {0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe, 0x2b, 0x73, 0xae,
                                                   0xf0, 0x85, 0x7d, 0x77, 0x81, 0x1f, 0x35, 0x2c, 0x07, 0x3b, 0x61,
                                                   0x08, 0xd7, 0x2d, 0x98, 0x10, 0xa3, 0x09, 0x14, 0xdf, 0xf4};
    kernels::AesKey key{};
    std::ranges::copy(kKey, key.bytes);
    for (InstructionSet set : supported_instruction_sets()) {
        std::vector<std::uint8_t> out(64);
        encrypt(set, key, 0xf0f1f2f3f4f5f6f7, 0xf8f9fafbfcfdfeff, out.data(), 4);
        EXPECT_EQ(to_hex(out),
                  "0bdf7df1591716335e9a8b15c860c502"
                  "5a6e699d536119065433863c8f657b94"
                  "1bc12c9c01610d5d0d8bd6a3378eca62"
                  "2956e1c8693536b1bee99c73a31576b6")
            << to_string(set);
    }
}

TEST(AesCtr, BitslicedEqualsOpenSsl) {
    Prng rng(SecretSeed::for_testing(31), "keys and counters");
    for (std::size_t blocks : {1, 2, 7, 8, 9, 15, 16, 64, 129}) {
        kernels::AesKey key{};
        rng.fill(std::span(key.bytes).first(32));
        const std::uint64_t index = rng.u64(), block = rng.u64() >> 1;
        std::vector<std::uint8_t> expected(16 * blocks), out(16 * blocks);
        kernels::aes256_ctr_portable(key, index, block, expected.data(), blocks);
        kernels::aes256_expand_bitsliced(key);
        kernels::aes256_ctr_bitsliced(key, index, block, out.data(), blocks);
        EXPECT_EQ(out, expected) << blocks;
#if defined(__x86_64__)
        if (!supported(InstructionSet::kAvx2)) continue;
        kernels::AesKey other{};
        std::copy_n(key.bytes, 32, other.bytes);
        kernels::aes256_expand_avx2(other);
        EXPECT_TRUE(std::ranges::equal(key.bytes, other.bytes));
#endif
    }
}

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Two neighbouring round keys give the whole key, so none may stay behind. The kernels run in a thread whose stack is
// ours to search.
TEST(AesCtr, NoRoundKeyStaysOnTheStack) {
    struct Task {
        InstructionSet set;
        kernels::AesKey* key;
        std::uint8_t* out;
    };
    constexpr std::size_t kBlocks = 71;
    for (InstructionSet set : supported_instruction_sets()) {
        if (set < InstructionSet::kAvx2) continue;  // OpenSSL's own affair
        const auto key = std::make_unique<kernels::AesKey>();
        Prng(SecretSeed::for_testing(8), "key").fill(std::span(key->bytes).first(32));
        std::vector<std::uint8_t> out(16 * kBlocks);
        Task task{set, key.get(), out.data()};
        std::vector<std::uint8_t> stack(std::size_t{1} << 20);
        void* begin = stack.data();
        std::size_t space = stack.size();
        ASSERT_NE(std::align(4096, stack.size() - 4096, begin, space), nullptr);
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        ASSERT_EQ(pthread_attr_setstack(&attributes, begin, stack.size() - 4096), 0);
        pthread_t thread;
        const auto body = [](void* argument) -> void* {
            const Task& t = *static_cast<Task*>(argument);
            kernels::aes256_expand_avx2(*t.key);
            (t.set == InstructionSet::kAvx2 ? kernels::aes256_ctr_avx2 : kernels::aes256_ctr_avx512)(*t.key, 1, 2,
                                                                                                     t.out, kBlocks);
            return nullptr;
        };
        ASSERT_EQ(pthread_create(&thread, &attributes, body, &task), 0);
        pthread_join(thread, nullptr);
        pthread_attr_destroy(&attributes);
        for (std::size_t round = 0; round < 15; ++round) {
            const std::span round_key = std::span(key->bytes).subspan(16 * round, 16);
            EXPECT_EQ(std::search(stack.begin(), stack.end(), round_key.begin(), round_key.end()), stack.end())
                << to_string(set) << ", round key " << round;
        }
    }
}
#endif

TEST(AesCtr, InstructionSetsAgreeAtEveryLength) {
    Prng rng(SecretSeed::for_testing(3), "keys");
    for (std::size_t blocks = 0; blocks < 110; ++blocks) {
        kernels::AesKey key{};
        rng.fill(std::span(key.bytes).first(32));
        const std::uint64_t index = rng.u64();
        // The additions cross the 32-bit boundary.
        const std::uint64_t block = blocks % 3 == 0 ? 0xffffffff - blocks / 2 : rng.u64() >> 1;
        std::vector<std::uint8_t> expected(16 * blocks + 1, 0x5a);
        kernels::aes256_ctr_portable(key, index, block, expected.data(), blocks);
        for (InstructionSet set : supported_instruction_sets()) {
            std::vector<std::uint8_t> out(16 * blocks + 1, 0x5a);
            encrypt(set, key, index, block, out.data(), blocks);
            ASSERT_EQ(out, expected) << blocks << " " << to_string(set);
        }
    }
}

TEST(Prng, KnownAnswers) {
    // AES-256-CTR of zeros from counter 0 under HMAC-SHA256(seed, domain || 0 || little-endian indices), computed
    // independently.
    PublicSeed seed{};
    for (std::size_t i = 0; i < seed.size(); ++i) seed[i] = static_cast<std::uint8_t>(i);
    EXPECT_EQ(to_hex(take(Prng(seed, "flash test"), 48)),
              "ed15ed72e832f520f34fe43a98fc4a7b31e4cf12f603848f22df0a941a01d37120ba7414fecb1ebb1b073c1e18083251");
    EXPECT_EQ(to_hex(take(Prng(seed, "flash test", {1, 0x123456789abcdef0}), 48)),
              "126f6f64f3396cbb1ab6904310e55c3129b2f221fb2131b6b076d98ebc40652e7e6005ce5678afe73c20dad95bf6eaef");
    EXPECT_EQ(to_hex(take(Prng(SecretSeed::for_testing(42), "flash test"), 48)),
              "a0c5a1e90719657338091b5c55db62d4985c6a863a818e78e6b890d422469ff19825c895f6abe6fdae385f30df6e3d88");
}

TEST(Prng, TheStreamDependsNeitherOnItsCutsNorOnTheInstructionSet) {
    const StreamKey portable(SecretSeed::for_testing(1), "cut", {}, InstructionSet::kPortable);
    const std::vector<std::uint8_t> whole = take(portable.stream(3, 4), 20000);
    for (InstructionSet set : supported_instruction_sets()) {
        const StreamKey key(SecretSeed::for_testing(1), "cut", {}, set);
        for (std::size_t piece : {1u, 7u, 16u, 511u, 512u, 513u, 1000u, 4096u, 9000u, 20000u}) {
            Prng rng = key.stream(3, 4);
            std::vector<std::uint8_t> bytes(whole.size());
            for (std::size_t i = 0; i < bytes.size(); i += piece)
                rng.fill(std::span(bytes).subspan(i, std::min(piece, bytes.size() - i)));
            EXPECT_EQ(bytes, whole) << piece << " " << to_string(set);
        }
    }
    Prng words = portable.stream(3, 4);
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

TEST(StreamKey, StreamsAreDistinctAndNoneOverlaps) {
    // No block occurs twice among the first blocks of many streams, whatever index, domain or key tells them apart.
    const PublicSeed seed{};
    std::set<std::vector<std::uint8_t>> blocks;
    std::size_t count = 0;
    const auto add = [&](Prng&& rng) {
        for (int i = 0; i < 64; ++i, ++count) {
            std::vector<std::uint8_t> block(16);
            rng.fill(block);
            blocks.insert(block);
        }
    };
    for (std::uint64_t i : {0u, 1u, 2u}) {
        const StreamKey plain(seed, i == 0   ? ""
                                    : i == 1 ? "a"
                                             : "ab"),
            indexed(seed, "a", {i}), twice(seed, "a", {i, i});
        for (const StreamKey* key : {&plain, &indexed, &twice})
            for (std::uint64_t a : {0ull, 1ull, 0xffffffffull})
                for (std::uint64_t b : {0ull, 1ull, 2ull, 0xffffffffull}) add(key->stream(a, b));
    }
    EXPECT_EQ(blocks.size(), count);
    // A generator made for one use is stream 0.
    EXPECT_EQ(take(Prng(seed, "a", {7}), 100), take(StreamKey(seed, "a", {7}).stream(0), 100));
    EXPECT_EQ(take(StreamKey(seed, "a").stream(5), 100), take(StreamKey(seed, "a").stream(5, 0), 100));
}

TEST(StreamKey, TheStreamStandsInTheUpperHalfOfTheCounter) {
    // The derivation is part of the wire format: block i of stream (a, b) encrypts (a 2^32 + b, i) under the key whose
    // own stream 0 the known answers above pin down.
    PublicSeed seed{};
    for (std::size_t i = 0; i < seed.size(); ++i) seed[i] = static_cast<std::uint8_t>(i);
    EXPECT_EQ(to_hex(take(StreamKey(seed, "flash test").stream(0x01234567, 0x89abcdef), 32)),
              "f89727baddbf385f17945629b907d315d26b1f80eda6c23fe15a2746a85a9842");
}

TEST(StreamKey, RefusesIndicesAndLabelsOutOfRange) {
    const StreamKey key(PublicSeed{}, "range");
    EXPECT_THROW(key.stream(1ull << 32), Error);
    EXPECT_THROW(key.stream(0, 1ull << 32), Error);
    EXPECT_NO_THROW(key.stream(0xffffffff, 0xffffffff));
    EXPECT_THROW(StreamKey(PublicSeed{}, std::string_view("a\0b", 3)), Error);
}

TEST(StreamKey, KeysAndGeneratorsAreWiped) {
    // The objects live in memory of the test's own, which can be looked at after their destruction.
    alignas(StreamKey) std::array<unsigned char, sizeof(StreamKey)> key_memory;
    alignas(Prng) std::array<unsigned char, sizeof(Prng)> rng_memory;
    const SecretSeed seed = SecretSeed::for_testing(11);
    StreamKey* key = new (key_memory.data()) StreamKey(seed, "wiped");
    Prng* rng = new (rng_memory.data()) Prng(seed, "wiped");
    const std::vector<unsigned char> key_bytes(key_memory.begin(), key_memory.begin() + 240);
    rng->u64();
    const auto found = [](const auto& memory, std::span<const unsigned char> bytes) {
        return std::search(memory.begin(), memory.end(), bytes.begin(), bytes.end()) != memory.end();
    };
    EXPECT_TRUE(found(rng_memory, std::span(key_bytes).first(32)));
    key->~StreamKey();
    rng->~Prng();
    EXPECT_FALSE(found(key_memory, std::span(key_bytes).first(16)));
    EXPECT_TRUE(std::ranges::all_of(rng_memory, [](unsigned char b) { return b == 0; }));
}

TEST(Entropy, SeedsFromTheSystemDiffer) {
    EXPECT_NE(generate_public_seed(), generate_public_seed());
    const SecretSeed first = SecretSeed::generate(), second = SecretSeed::generate();
    EXPECT_FALSE(std::ranges::equal(first.bytes(), second.bytes()));
}

}  // namespace
}  // namespace flash
