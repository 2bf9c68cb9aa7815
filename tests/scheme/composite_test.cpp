#include "scheme/composite.h"

#include <gtest/gtest.h>

#include <cmath>

#include "lattice/ntt.h"
#include "lattice/sampling.h"
#include "scheme/composite_parties.h"
#include "support/memory_scan.h"
#include "support/sanitized.h"

namespace flash::scheme {
namespace {

using namespace composite_parties;

TEST(Composite, SharesAddUpForAllShapesAndWidths) {
    for (const CompositeShape& shape : kCompositeShapes)
        for (int bits : {20, 22, 23, 24, 25, 27, 28})
            for (int rank : {2, 3}) {
                CompositeParameters parameters;
                try {
                    parameters = parameters_of(shape, bits, rank);
                } catch (const Error& error) {
                    ASSERT_EQ(error.kind(), ErrorKind::kInvalidArgument);
                    ASSERT_NE(bits, 24) << shape.degree;
                    continue;
                }
                Parties parties(CompositeRing::of(parameters));
                std::vector<Slots> e, p;
                for (int k = 0; k < rank; ++k) {
                    e.push_back(random_slots(*parties.ring, static_cast<std::uint64_t>(k)));
                    p.push_back(random_slots(*parties.ring, static_cast<std::uint64_t>(10 + k)));
                }
                EXPECT_EQ(parties.wrong(parties.multiply(7, e, p), e, p), 0u)
                    << shape.degree << " " << shape.residues << " " << bits;
            }
}

TEST(Composite, ExtremesAreExact) {
    Parties parties(CompositeRing::of(parameters_of({8192, 3})));
    const CompositeRing& ring = *parties.ring;
    const auto all = [&](auto&& value) { return slots_of(ring, value); };
    const std::vector<Slots> inputs = {
        all([](std::uint32_t, std::size_t) { return 0u; }),
        all([](std::uint32_t t, std::size_t) { return t - 1; }),
        all([](std::uint32_t t, std::size_t) { return t / 2; }),
        all([](std::uint32_t t, std::size_t j) { return j % 2 ? t - 1 : t / 2; }),
        all([](std::uint32_t, std::size_t j) { return static_cast<std::uint32_t>(j == 5); }),
        random_slots(ring, 9)};
    std::uint32_t chunk = 0;
    for (const Slots& x : inputs)
        for (const Slots& y : inputs)
            EXPECT_EQ(parties.wrong(parties.multiply(chunk++, {x, y, x}, {y, y, x}), {x, y, x}, {y, y, x}), 0u)
                << chunk;
    // Fewer products than the rank, and none at all.
    EXPECT_EQ(parties.wrong(parties.multiply(chunk++, {inputs[5]}, {inputs[3]}), {inputs[5]}, {inputs[3]}), 0u);
    EXPECT_EQ(parties.wrong(parties.multiply(chunk++, {}, {}), {}, {}), 0u);
}

// -------------------------------------------------------------------------------------------------- wrong roundings

// Rooms that are too small on purpose: for the products' noise, and for what is left of a''. Counted are coefficients,
// as a wrong one spoils every slot.
TEST(Composite, RateOfWrongRoundingsFollowsTheFormula) {
    struct Case {
        CompositeParameters parameters;
        int rounds;
        double tolerance;
    };
    const Case cases[] = {
        {{1024, 2, 20, 3, 51, 60}, 24, 0.15}, {{1024, 3, 20, 2, 72, 60}, 24, 0.15}, {{64, 2, 20, 3, 90, 9}, 600, 0.25}};
    for (const Case& c : cases) {
        const Ring ring = CompositeRing::insecure_for_testing(c.parameters);
        const std::size_t n = ring->degree();
        Parties parties(ring, 50);
        const lattice::Modulus t(ring->plain_moduli()[0]);
        const lattice::NttTables ntt(n, t);
        std::size_t wrong = 0;
        for (int round = 0; round < c.rounds; ++round) {
            std::vector<Slots> e, p;
            for (int k = 0; k < c.parameters.rank; ++k) {
                e.push_back(random_slots(*ring, static_cast<std::uint64_t>(100 * round + k)));
                p.push_back(random_slots(*ring, static_cast<std::uint64_t>(100 * round + 50 + k)));
            }
            const Parties::Result result = parties.multiply(static_cast<std::uint32_t>(round), e, p);
            std::vector<std::uint64_t> difference(n);
            for (std::size_t i = 0; i < n; ++i) {
                std::uint64_t sum = t.add(result.client[i], result.server[i]);
                for (std::size_t k = 0; k < e.size(); ++k) sum = t.subtract(sum, t.multiply(e[k][i], p[k][i]));
                difference[i] = sum;
            }
            ntt.inverse(difference);
            for (std::uint64_t x : difference) {
                ASSERT_TRUE(x <= 1 || x == t.value() - 1) << x;
                wrong += x != 0;
            }
        }
        const double coefficients = static_cast<double>(n) * c.rounds,
                     expected = coefficients * std::exp2(log2_wrong_rounding(c.parameters, 1));
        EXPECT_GT(expected, 100);
        EXPECT_NEAR(static_cast<double>(wrong), expected, c.tolerance * expected) << n;
    }
}

TEST(Composite, AnswersAreFreshEachTime) {
    const Ring ring = CompositeRing::of(parameters_of({4096, 1}));
    Parties parties(ring);
    const Slots values = random_slots(*ring, 1), zero(ring->values());
    const Bytes bytes = parties.encrypt({0, 0}, values);
    const CompositeVectorId id{0, 0};
    const auto answer = [&](const Slots& plain, Slots& share) {
        share.resize(ring->values());
        const CompositeFactor factor{bytes, plain};
        return parties.evaluator->answer(parties.evaluator->prepare({&id, 1}, parties.client), {&factor, 1}, share);
    };
    const auto equal = [](std::span<const std::uint8_t> x, std::span<const std::uint8_t> y) {
        std::size_t count = 0;
        for (std::size_t i = 0; i < x.size(); ++i) count += x[i] == y[i];
        return count;
    };
    Slots share, again, none;
    const Bytes x = answer(values, share), y = answer(values, again), z = answer(zero, none);
    // 1/256 by chance, and as random for zeros as for anything.
    EXPECT_LT(equal(x, y), x.size() / 128);
    EXPECT_LT(equal(x, z), x.size() / 128);
    EXPECT_LT(equal(bytes_of(share), bytes_of(again)), 4 * share.size() / 2);
}

TEST(Composite, SeedsOfBothPartiesMakeThePublicHalves) {
    const Ring ring = CompositeRing::of(parameters_of({4096, 1}));
    const Slots zero(ring->values());
    std::vector<Bytes> ciphertexts;
    CompositeSeeds other_client = kSeeds, other_server = kSeeds;
    other_client.client_nonce[31] ^= 1;
    other_server.server_seed[0] ^= 1;
    for (const CompositeSeeds& seeds :
         {kSeeds, other_client, other_server, CompositeSeeds{kSeeds.server_seed, kSeeds.client_nonce}}) {
        Parties parties(ring, 3, seeds);  // the same secret and errors
        ciphertexts.push_back(parties.encrypt({0, 0}, zero));
    }
    for (std::size_t i = 0; i < ciphertexts.size(); ++i)
        for (std::size_t j = 0; j < i; ++j) EXPECT_NE(ciphertexts[i], ciphertexts[j]);
}

// ------------------------------------------------------------------------------------- the same bits everywhere,
// forever

TEST(Composite, InstructionSetsAgree) {
    const std::pair<CompositeShape, int> cases[] = {
        {{4096, 1}, 24}, {{8192, 2}, 25}, {{8192, 3}, 24}, {{8192, 2}, 27}, {{16384, 6}, 23}};
    for (const auto& [shape, bits] : cases) {
        Bytes key, ciphertext;
        Parties::Result first;
        for (InstructionSet set : supported_instruction_sets()) {
            Parties parties(CompositeRing::of(parameters_of(shape, bits), set), 5);
            std::vector<Slots> e, p;
            for (std::uint64_t k = 0; k < 3; ++k) {
                e.push_back(random_slots(*parties.ring, k));
                p.push_back(random_slots(*parties.ring, 10 + k));
            }
            const Bytes bytes = parties.encrypt({9, 2}, e[0]);
            const Parties::Result result = parties.multiply(8, e, p);
            if (key.empty()) {
                key = parties.public_key;
                ciphertext = bytes;
                first = result;
                EXPECT_EQ(parties.wrong(result, e, p), 0u);
            }
            EXPECT_EQ(parties.public_key, key);
            EXPECT_EQ(bytes, ciphertext);
            EXPECT_EQ(result.answer, first.answer) << to_string(set);
            EXPECT_EQ(result.client, first.client) << to_string(set);
            EXPECT_EQ(result.server, first.server) << to_string(set);
        }
    }
}

TEST(Composite, KnownAnswers) {
    struct Answer {
        CompositeShape shape;
        const char *key, *ciphertext, *answer, *client, *server;
    };
    const Answer answers[] = {
        {{4096, 1}, "bf74c8b08e91242d", "db4c47b93566cfcc", "8273b49adfa65c88", "43fdb363efabe774", "33d67f056f52ac0d"},
        {{8192, 2}, "ce533c971d68f380", "4f1c752ce7ae5456", "179e74c31d99ece4", "934a150a41205016", "7831b3f17722516d"},
        {{8192, 3}, "20b5360cbd8d7221", "4f3eef6b8b2afc6f", "aad8fc1f8a74d6d4", "e2627e4b70bac632", "72dccd014692222e"},
        {{16384, 6},
         "995db3c76d52c464",
         "e32e29bff9647939",
         "f5b66db5e2d334f8",
         "d316950909c2643b",
         "9133a5ed2cc16c95"},
        {{16384, 7},
         "9b94788838e3eebd",
         "8a49647ee5d24a6b",
         "d2ea915a1d948227",
         "6a5b2ca71c88d09f",
         "e84e55aebaf181db"},
    };
    for (const Answer& known : answers) {
        Parties parties(CompositeRing::of(parameters_of(known.shape)), 90);
        const CompositeRing& ring = *parties.ring;
        EXPECT_EQ(digest(parties.public_key), known.key);
        EXPECT_EQ(digest(parties.encrypt({3, 2}, random_slots(ring, 6))), known.ciphertext);
        const Parties::Result result = parties.multiply(4, {random_slots(ring, 7), random_slots(ring, 8)},
                                                        {random_slots(ring, 9), random_slots(ring, 10)});
        EXPECT_EQ(digest(result.answer), known.answer);
        EXPECT_EQ(digest(bytes_of(result.client)), known.client);
        EXPECT_EQ(digest(bytes_of(result.server)), known.server);
    }
}

// --------------------------------------------------------------------------------------------------------- wiping

TEST(Composite, SecretsAreWiped) {
    if (flash::testing::kSanitized) GTEST_SKIP() << "a sanitizer keeps freed memory";
    const Ring ring = CompositeRing::of(parameters_of({8192, 3}));
    const auto drawn = [&](std::uint64_t seed, auto&& sample) {
        SecretVector<std::int8_t> values(ring->degree());
        Prng rng = generator(seed);
        sample(rng, values);
        return Needle(values);
    };
    const Needle secret = drawn(70, [](Prng& rng, auto& values) { lattice::sample_ternary(rng, values); });
    const Needle error = drawn(1070, [](Prng& rng, auto& values) {
        lattice::sample_ternary(rng, values);
        lattice::sample_error(rng, values);
    });
    auto key = std::make_unique<Parties>(ring, 70);
    // The key's transform, which stays as long as the key, and what is made of it.
    std::vector<std::uint64_t> transformed(ring->degree());
    {
        std::vector<std::int8_t> s(ring->degree());
        Prng rng = generator(70);
        lattice::sample_ternary(rng, s);
        ring->part(0).arithmetic().lift(s, transformed);
        ring->part(0).forward(transformed);
        wipe(s.data(), s.size());
    }
    const Needle kept(transformed);
    wipe(transformed.data(), 8 * transformed.size());
    EXPECT_EQ(scan(secret), 0u);
    EXPECT_GT(scan(kept), 0u);
    {
        const Slots values = random_slots(*ring, 1);
        const Bytes bytes = key->encrypt({0, 0}, values);
        const CompositeVectorId id{0, 0};
        const CompositeFactor factor{bytes, values};
        PreparedAnswer unused = key->evaluator->prepare({&id, 1}, key->client);
        EXPECT_GT(scan(error), 0u);
        unused = PreparedAnswer();
        EXPECT_EQ(scan(error), 0u);
        PreparedAnswer prepared = key->evaluator->prepare({&id, 1}, key->client);
        SecretVector<std::uint32_t> share(ring->values());
        const Bytes answer = key->evaluator->answer(std::move(prepared), {&factor, 1}, share);
        const Needle mine(share);
        EXPECT_GT(scan(mine), 0u);
        share.wipe();
        EXPECT_EQ(scan(mine), 0u);
        SecretVector<std::uint32_t> other(ring->values());
        key->key.decrypt(answer, other);
        const Needle theirs(other);
        EXPECT_GT(scan(theirs), 0u);
        other.wipe();
        EXPECT_EQ(scan(theirs), 0u);
    }
    key.reset();
    EXPECT_EQ(scan(kept), 0u);
}

}  // namespace
}  // namespace flash::scheme
