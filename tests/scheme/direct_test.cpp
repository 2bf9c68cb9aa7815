#include "scheme/direct.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <random>
#include <set>
#include <thread>
#include <type_traits>

#include "base/error.h"
#include "lattice/sampling.h"
#include "support/scaled_share.h"

namespace flash::scheme {
namespace {

using flash::testing::ScaledShare;

/// Everything holds in every ring.
class Direct : public ::testing::TestWithParam<DirectRing> {
protected:
    const DirectRing ring = GetParam();
    const std::size_t n = ring.degree;
    const double unit = std::ldexp(1.0, ring.low_bits());  ///< d

    /// Below a bound, or elements of the ring.
    Poly32 random_values(std::uint32_t bound, std::uint64_t seed) const {
        std::mt19937_64 rng(seed);
        Poly32 values(n);
        for (std::uint32_t& v : values)
            v = bound ? static_cast<std::uint32_t>(rng() % bound) : static_cast<std::uint32_t>(rng()) & ring.mask();
        return values;
    }
    std::vector<std::uint16_t> all_positions() const {
        std::vector<std::uint16_t> positions(n);
        for (std::size_t i = 0; i < n; ++i) positions[i] = static_cast<std::uint16_t>(i);
        return positions;
    }
    bool in_ring(const Poly32& words) const {
        return std::ranges::all_of(words, [&](std::uint32_t word) { return (word & ~ring.mask()) == 0; });
    }
};

Sha256 fingerprint(int value) { return Sha256{static_cast<std::uint8_t>(value), 1, 2}; }
Prng generator(std::uint64_t seed) { return Prng(SecretSeed::for_testing(seed), "direct test"); }

std::string digest(const Poly32& words) {
    return to_hex(sha256({reinterpret_cast<const std::uint8_t*>(words.data()), words.size() * 4})).substr(0, 16);
}

struct Noise {
    double deviation = 0;
    std::int64_t largest = 0;
};
Noise difference(const Poly32& x, const Poly32& y) {
    Noise noise;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const std::int64_t e = static_cast<std::int32_t>(x[i] - y[i]);
        noise.deviation += static_cast<double>(e * e);
        noise.largest = std::max(noise.largest, std::abs(e));
    }
    noise.deviation = std::sqrt(noise.deviation / static_cast<double>(x.size()));
    return noise;
}

/// Of 24 to 28 bits.
constexpr std::uint32_t kPlainModuli[] = {16760833, 33538049, 67084289, 134176769, 268369921};

TEST(DirectScale, ScaleUpIsExact) {
    for (const std::uint32_t T : kPlainModuli) {
        std::mt19937 rng(1);
        for (int i = 0; i < 20000; ++i) {
            const std::uint32_t v = i == 0   ? 0
                                    : i == 1 ? T - 1
                                    : i == 2 ? T / 2
                                    : i == 3 ? T / 2 + 1
                                             : static_cast<std::uint32_t>(rng() % T);
            // Nearest integer to 2^32 v / T, by twice the remainder.
            const std::uint64_t x = static_cast<std::uint64_t>(v) << 32;
            const std::uint64_t nearest = x / T + (2 * (x % T) > T ? 1 : 0);
            ASSERT_EQ(scale_up(v, T), static_cast<std::uint32_t>(nearest));
        }
    }
}

TEST_P(Direct, DecryptionReturnsThePlaintextWithSmallNoise) {
    const PublicPolynomials publics(fingerprint(1));
    Prng rng = generator(1);
    DirectSecretKey key(publics, ring, rng);
    std::uint32_t index = 0;
    for (const std::uint32_t T : kPlainModuli)
        for (const Poly32& plain : {random_values(T, 5), Poly32(n, T - 1), Poly32(n, 0)}) {
            Poly32 a(n), b(n), phase(n), expected(n);
            const UploadId id{7, index++};
            key.encrypt(id, ScaledShare(plain, T), rng, b);
            publics.upload(id, a);
            key.decrypt(a, all_positions(), b, phase);
            for (std::size_t i = 0; i < n; ++i) expected[i] = scale_up(plain[i], T);
            const Noise noise = difference(phase, expected);
            // The error, and what rounding the plaintext to the ring adds.
            const double rounding = ring.low_bits() > 0 ? 1.0 / 12 : 0.0;
            EXPECT_NEAR(noise.deviation, unit * std::sqrt(10.5 + rounding), 0.3 * unit);
            EXPECT_LE(static_cast<double>(noise.largest), unit * (lattice::kErrorBits + (rounding > 0 ? 0.5 : 0)) + 1);
            // Nothing finer than q: it would be the plaintext's, unmasked.
            EXPECT_TRUE(in_ring(b));
            EXPECT_TRUE(in_ring(a));
            // The ciphertext itself looks uniform.
            EXPECT_GT(difference(b, expected).deviation, std::ldexp(0.5, 31));
        }
}

TEST_P(Direct, NoPairEncryptsTwice) {
    const PublicPolynomials publics(fingerprint(2));
    Prng rng = generator(2);
    DirectSecretKey key(publics, ring, rng);
    const ScaledShare plain(Poly32(n, 1), kPlainModuli[0]);
    Poly32 b(n);
    key.encrypt({0, 0}, plain, rng, b);
    EXPECT_NO_THROW(key.encrypt({0, 1}, plain, rng, b));
    EXPECT_NO_THROW(key.encrypt({1, 0}, plain, rng, b));
    try {
        key.encrypt({0, 0}, plain, rng, b);
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kInternal);
    }
    EXPECT_TRUE(in_ring(key.public_b()));
    // Preparing takes the pair, whatever becomes of it.
    EXPECT_NO_THROW(key.prepare({2, 0}, rng));
    EXPECT_THROW(key.encrypt({2, 0}, plain, rng, b), Error);
    // Under contention exactly one of the attempts on one pair succeeds.
    std::atomic<int> succeeded = 0;
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            Prng own = generator(100 + t);
            Poly32 out(n);
            for (std::uint32_t i = 0; i < 8; ++i) try {
                    key.encrypt({3, i}, plain, own, out);
                    ++succeeded;
                } catch (const Error&) {}
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(succeeded, 8);
}

TEST_P(Direct, AKeyOfADepthEncryptsShallowerValuesOnly) {
    const PublicPolynomials publics(fingerprint(2));
    const Poly32 a_pk = random_values(0, 1);
    Prng rng = generator(2);
    DirectSecretKey key(publics, ring, {3, a_pk}, rng), all(publics, ring, rng);
    EXPECT_EQ(key.depth(), 3);
    const Poly32 words = random_values(0, 4);
    Poly32 b(n);
    std::uint32_t index = 0;
    for (const int depth : {0, 1, 2}) EXPECT_NO_THROW(key.encrypt({0, index++}, LevelledShare{depth, words}, rng, b));
    const Poly32 before = b;
    for (const int depth : {3, 4, 1000}) {
        EXPECT_THROW(key.encrypt({0, index++}, LevelledShare{depth, words}, rng, b), Error);
        EXPECT_THROW(key.encrypt(key.prepare({0, index++}, rng), LevelledShare{depth, words}, b), Error);
        EXPECT_NO_THROW(all.encrypt({0, index++}, LevelledShare{depth, words}, rng, b));
    }
    EXPECT_NE(b, before);
    // Its public key is one under the a_pk that it was given.
    Poly32 phase(n);
    key.decrypt(a_pk, all_positions(), key.public_b(), phase);
    EXPECT_LE(static_cast<double>(difference(phase, Poly32(n)).largest), unit * lattice::kErrorBits);
}

TEST_P(Direct, APreparedUploadIsUsedOnceAndWithItsOwnKey) {
    static_assert(!std::is_copy_constructible_v<PreparedUpload> && !std::is_copy_assignable_v<PreparedUpload>);
    const PublicPolynomials publics(fingerprint(2));
    Prng rng = generator(2);
    DirectSecretKey key(publics, ring, rng), other(publics, ring, rng);
    const Poly32 words = random_values(0, 4);
    Poly32 ahead(n), at_once(n);
    {
        Prng first = generator(9), second = generator(10), same_first = generator(9), same_second = generator(10);
        DirectSecretKey a(publics, ring, first), b(publics, ring, same_first);
        PreparedUpload prepared = a.prepare({0, 0}, second);
        a.encrypt(std::move(prepared), LevelledShare{0, words}, ahead);
        b.encrypt({0, 0}, LevelledShare{0, words}, same_second, at_once);
        EXPECT_EQ(ahead, at_once);
        EXPECT_THROW(a.encrypt(std::move(prepared), LevelledShare{0, words}, ahead), Error);  // NOLINT: used before
    }
    EXPECT_THROW(other.encrypt(key.prepare({0, 0}, rng), LevelledShare{0, words}, ahead), Error);
}

TEST_P(Direct, PublicPolynomialsOfKeysDifferInSeedDepthAndRing) {
    std::set<Poly32> seen;
    PublicSeed seed{};
    for (const std::uint8_t byte : {0, 1})
        for (const int depth : {1, 2, 3}) {
            seed[31] = byte;
            Poly32 a(n), again(n);
            key_polynomial(seed, depth, a);
            key_polynomial(seed, depth, again);
            EXPECT_EQ(a, again);
            EXPECT_TRUE(in_ring(a));
            EXPECT_TRUE(seen.insert(a).second);
        }
}

TEST_P(Direct, PublicPolynomialsAreDistinctAndFixed) {
    const PublicPolynomials publics(fingerprint(3)), same(fingerprint(3)), other(fingerprint(4));
    std::vector<Poly32> all(5, Poly32(n));
    publics.upload({0, 0}, all[0]);
    publics.upload({0, 1}, all[1]);
    publics.upload({1, 0}, all[2]);
    publics.key(all[3]);
    other.upload({0, 0}, all[4]);
    for (std::size_t i = 0; i < all.size(); ++i)
        for (std::size_t j = 0; j < i; ++j) EXPECT_NE(all[i], all[j]);
    Poly32 again(n);
    same.upload({0, 0}, again);
    EXPECT_EQ(again, all[0]);
    const bool large = n == 2048;
    EXPECT_EQ(digest(all[0]), large ? "9ab174dc75470cec" : "b6bc791f1a938e3c");
    EXPECT_EQ(digest(all[3]), large ? "179a53e669ef6b83" : "7febbca65f3eb2b2");
}

TEST_P(Direct, KnownAnswers) {
    const PublicPolynomials publics(fingerprint(3));
    Prng rng = generator(3);
    DirectSecretKey key(publics, ring, rng);
    const bool large = n == 2048;
    EXPECT_EQ(digest(key.public_b()), large ? "b27754f5537a19d6" : "30a493a9a4144158");
    Poly32 b(n);
    const std::uint32_t T = kPlainModuli[1];
    key.encrypt({1, 2}, ScaledShare(random_values(T, 8), T), rng, b);
    EXPECT_EQ(digest(b), large ? "f2ff6098cdb10bea" : "926ec6124215e257");
    const DirectPublicKey public_key(publics, ring, key.public_b());
    Poly32 a = random_values(0, 1);
    public_key.mask(a, all_positions(), b, random_values(0, 2), rng);
    EXPECT_EQ(digest(a), large ? "194b7cf91443c8cc" : "dc088e399b7dfa23");
    EXPECT_EQ(digest(b), large ? "a7ef0e0b940f4314" : "daf48ac49ad950fa");
}

TEST_P(Direct, MaskAddsRhoAndSmallNoiseAndIsFreshEachTime) {
    const PublicPolynomials publics(fingerprint(5));
    Prng client = generator(4), server = generator(5);
    const DirectSecretKey key(publics, ring, client);
    const DirectPublicKey public_key(publics, ring, key.public_b());
    for (const Poly32& rho : {random_values(0, 6), Poly32(n, 0), Poly32(n, 0xffffffffu)}) {
        const Poly32 a = random_values(0, 7), b = random_values(0, 8);
        Poly32 old_phase(n), expected(n), phase(n);
        key.decrypt(a, all_positions(), b, old_phase);
        for (std::size_t i = 0; i < n; ++i) expected[i] = old_phase[i] + rho[i];
        Poly32 a1 = a, b1 = b, a2 = a, b2 = b;
        public_key.mask(a1, all_positions(), b1, rho, server);
        public_key.mask(a2, all_positions(), b2, rho, server);
        for (const auto& [x, y] : {std::pair(a1, b1), std::pair(a2, b2)}) {
            key.decrypt(x, all_positions(), y, phase);
            const Noise noise = difference(phase, expected);
            // d (e_pk u + e1 s): sigma = d sqrt(2 n 10.5 2/3), 169 d for n = 2048.
            const double sigma = unit * std::sqrt(2 * static_cast<double>(n) * 10.5 * 2 / 3);
            EXPECT_NEAR(noise.deviation, sigma, 0.12 * sigma);
            EXPECT_LT(static_cast<double>(noise.largest), 10 * sigma);
            EXPECT_TRUE(in_ring(x));
        }
        // Both halves look uniform against the old ones and against each other.
        for (const auto& [x, y] : {std::pair(a1, a), std::pair(b1, b), std::pair(a1, a2), std::pair(b1, b2)})
            EXPECT_NEAR(difference(x, y).deviation, std::ldexp(1.0, 32) / std::sqrt(12.0), std::ldexp(1.0, 27));
    }
}

TEST_P(Direct, SelectedCoefficientsAreThoseOfTheWholePolynomial) {
    const PublicPolynomials publics(fingerprint(7));
    Prng client = generator(7);
    const DirectSecretKey key(publics, ring, client);
    const DirectPublicKey public_key(publics, ring, key.public_b());
    const Poly32 a = random_values(0, 1), b = random_values(0, 2), rho = random_values(0, 3);
    const auto last = static_cast<std::uint16_t>(n - 1);
    for (const std::vector<std::uint16_t>& positions :
         {std::vector<std::uint16_t>{}, {0}, {last}, {5, 4, last, 0, 1000}, {3, 3}, all_positions()}) {
        Poly32 b_part, rho_part;
        for (std::uint16_t position : positions) {
            b_part.push_back(b[position]);
            rho_part.push_back(rho[position]);
        }
        Poly32 whole_phase(n), phase(positions.size());
        key.decrypt(a, all_positions(), b, whole_phase);
        key.decrypt(a, positions, b_part, phase);
        for (std::size_t i = 0; i < positions.size(); ++i) ASSERT_EQ(phase[i], whole_phase[positions[i]]);

        Prng first = generator(8), second = generator(8);
        Poly32 whole_a = a, whole_b = b, part_a = a;
        public_key.mask(whole_a, all_positions(), whole_b, rho, first);
        public_key.mask(part_a, positions, b_part, rho_part, second);
        EXPECT_EQ(part_a, whole_a);
        for (std::size_t i = 0; i < positions.size(); ++i) ASSERT_EQ(b_part[i], whole_b[positions[i]]);
    }
}

TEST_P(Direct, KeptTransformsChangeNothing) {
    const PublicPolynomials publics(fingerprint(8));
    const std::size_t bytes_each = n * sizeof(std::uint64_t);
    PublicTransforms two(publics, 2 * bytes_each + 100), none(publics, bytes_each - 1);
    const std::uint32_t T = kPlainModuli[0];
    // Twice, so that the second key finds what the first one left; and from several threads at once.
    for (int round = 0; round < 2; ++round) {
        for (PublicTransforms* transforms : {&two, &none}) {
            Prng plain_rng = generator(9), kept_rng = generator(9);
            DirectSecretKey plain_key(publics, ring, plain_rng), kept_key(publics, ring, kept_rng, transforms);
            for (std::uint32_t i = 0; i < 4; ++i) {
                Poly32 expected(n), b(n);
                plain_key.encrypt({i, i + 1}, ScaledShare(random_values(T, i), T), plain_rng, expected);
                kept_key.encrypt({i, i + 1}, ScaledShare(random_values(T, i), T), kept_rng, b);
                EXPECT_EQ(b, expected);
            }
            Poly32 again(n);
            EXPECT_THROW(kept_key.encrypt({0, 1}, ScaledShare(random_values(T, 0), T), kept_rng, again), Error);
        }
        EXPECT_EQ(two.bytes(), 2 * bytes_each);
        EXPECT_EQ(none.bytes(), 0u);
    }
    PublicTransforms shared(publics, 100 * bytes_each);
    std::vector<std::thread> threads;
    std::atomic<int> wrong = 0;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            std::vector<std::uint64_t> scratch(n), expected(n);
            for (std::uint32_t i = 0; i < 32; ++i) {
                const auto values = shared.upload({1, i}, scratch);
                transform_upload(publics, {1, i}, expected);
                wrong += !std::ranges::equal(values, expected);
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(shared.bytes(), 32 * bytes_each);
}

TEST_P(Direct, WrongSizesAreRefused) {
    const PublicPolynomials publics(fingerprint(6));
    Prng rng = generator(6);
    DirectSecretKey key(publics, ring, rng);
    Poly32 right(n), wrong(n - 1);
    EXPECT_THROW(key.encrypt({0, 0}, LevelledShare{0, wrong}, rng, right), Error);
    EXPECT_THROW(key.encrypt({0, 0}, LevelledShare{0, right}, rng, wrong), Error);
    const std::vector<std::uint16_t> outside = {static_cast<std::uint16_t>(n)};
    Poly32 one(1), two(2);
    EXPECT_THROW(key.decrypt(right, outside, one, one), Error);
    const std::vector<std::uint16_t> inside = {static_cast<std::uint16_t>(n - 1)};
    EXPECT_THROW(key.decrypt(right, inside, two, one), Error);
    EXPECT_THROW(key.decrypt(wrong, inside, one, one), Error);
    const DirectPublicKey public_key(publics, ring, right);
    EXPECT_THROW(public_key.mask(right, outside, one, one, rng), Error);
    EXPECT_THROW(public_key.mask(right, inside, one, two, rng), Error);
    EXPECT_THROW(public_key.mask(wrong, inside, one, one, rng), Error);
    try {
        const DirectPublicKey refused(publics, ring, wrong);
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kProtocol);
    }
}

INSTANTIATE_TEST_SUITE_P(EveryRing, Direct, ::testing::ValuesIn(kDirectRings),
                         [](const auto& test) { return "Degree" + std::to_string(test.param.degree); });

TEST(DirectRings, HaveKeysOfTheirOwn) {
    const PublicPolynomials publics(fingerprint(9));
    Poly32 large(2048), small(1024), upload(1024), none(512);
    publics.key(large);
    publics.key(small);
    publics.upload({0, 0}, upload);
    large.resize(small.size());
    for (std::uint32_t& word : large) word &= kDirectRings[1].mask();
    EXPECT_NE(large, small);
    EXPECT_NE(upload, small);
    EXPECT_THROW(publics.key(none), Error);
    EXPECT_THROW(publics.upload({0, 0}, none), Error);
    // One polynomial belongs to one ring.
    PublicTransforms transforms(publics, std::size_t{1} << 20);
    std::vector<std::uint64_t> first(1024), second(2048);
    transforms.upload({1, 1}, first);
    EXPECT_THROW(transforms.upload({1, 1}, second), Error);
}

}  // namespace
}  // namespace flash::scheme
