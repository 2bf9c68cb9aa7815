// Nothing that must be used once is used twice: public polynomials under one secret, keys across inferences, seeds.
#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

#include "base/error.h"
#include "protocol/client_session.h"
#include "protocol/flow/answer_preparer.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "protocol/server_session.h"
#include "scheme/direct.h"
#include "support/private_run.h"
#include "support/random_model.h"

namespace flash {
namespace {

using transport::Message;

TEST(Freshness, EveryUploadOfAPlanHasItsOwnPublicPolynomial) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const protocol::PreparedModel model(flash::testing::random_model(seed));
        std::set<std::vector<std::uint32_t>> polynomials;
        std::size_t count = 0;
        // The first coefficients' bits that all rings have: polynomials of different rings must differ too.
        const auto add = [&](std::vector<std::uint32_t> a) {
            a.resize(1024);
            for (std::uint32_t& word : a) word &= scheme::kDirectRings[1].mask();
            polynomials.insert(std::move(a));
            ++count;
        };
        for (const scheme::DirectRing& ring : scheme::kDirectRings) {
            std::vector<std::uint32_t> a(ring.degree);
            model.publics().key(a);
            add(a);
        }
        for (std::size_t id = 0; id < model.plan().streams.size(); ++id) {
            std::vector<std::uint32_t> a(model.plan().streams[id].degree());
            for (int p = 0; p < model.plan().streams[id].polynomials(); ++p) {
                model.publics().upload({static_cast<std::uint32_t>(id), static_cast<std::uint32_t>(p)}, a);
                add(a);
            }
        }
        EXPECT_EQ(polynomials.size(), count);
    }
}

TEST(Freshness, ASecretRefusesToEncryptTwiceUnderOneA) {
    const scheme::PublicPolynomials publics(Sha256{});
    Prng rng(SecretSeed::for_testing(1), "test");
    for (const scheme::DirectRing& ring : scheme::kDirectRings) {
        scheme::DirectSecretKey key(publics, ring, rng);
        std::vector<std::uint32_t> plain(ring.degree), b(ring.degree);
        key.encrypt({1, 2}, scheme::LevelledShare{0, plain}, rng, b);
        EXPECT_THROW(key.encrypt({1, 2}, scheme::LevelledShare{0, plain}, rng, b), Error);
        key.encrypt({1, 3}, scheme::LevelledShare{0, plain}, rng, b);
    }
    static_assert(!std::is_copy_constructible_v<scheme::DirectSecretKey>);
    static_assert(!std::is_copy_constructible_v<SecretSeed>);
    static_assert(!std::is_copy_constructible_v<SecretVector<int>>);
}

TEST(Freshness, APreparedAnswerIsGivenOutOnce) {
    const protocol::PreparedModel prepared(flash::testing::random_model(4));
    ASSERT_GT(prepared.activation().chunks(0), 0u);
    const auto client = prepared.activation().client(SecretSeed::for_testing(5));
    const auto server = prepared.activation().server(prepared.curves(), client->start(), SecretSeed::for_testing(4));
    client->begin(server->setup());
    const auto channels = transport::make_loopback();
    protocol::AnswerPreparer preparer(prepared.activation(), *client, *channels.first, nullptr);
    EXPECT_NE(preparer.take(0, 0), nullptr);
    // Whether the thread had prepared it or take() did: never again, and no endless wait for it.
    EXPECT_THROW(preparer.take(0, 0), Error);
}

/// A network with layers in both rings.
model::Model model_in_both_rings() {
    for (std::uint64_t seed = 3;; ++seed) {
        model::Model model = flash::testing::random_model(seed);
        if (packing::make_plan(model.architecture).degrees().size() == 2) return model;
    }
}

TEST(Freshness, EachInferenceOfASessionHasNewKeysMasksAndSeeds) {
    const protocol::PreparedModel model(model_in_both_rings());
    std::vector<Message> seen;
    std::mutex mutex;
    transport::LoopbackOptions options;
    const auto tap = [&](Message m) {
        const std::lock_guard lock(mutex);
        seen.push_back(m);
        return std::optional<Message>(std::move(m));
    };
    options.first_to_second = tap;
    options.second_to_first = tap;
    auto [client_end, server_end] = transport::make_loopback(std::move(options));
    std::thread server([&, end = std::move(server_end)]() mutable { protocol::serve_session(model, *end); });
    const auto input = flash::testing::random_input(model.architecture(), 3);
    {
        protocol::ClientSession client(std::move(client_end));
        for (int i = 0; i < 3; ++i) client.infer_integers(input);
    }
    server.join();
    // The same input three times: no payload of any cryptographic message repeats.
    std::set<std::vector<std::uint8_t>> payloads;
    std::size_t count = 0;
    for (const Message& m : seen) {
        if (m.type == protocol::message_type::kClientHello || m.type == protocol::message_type::kServerHello ||
            m.type == protocol::message_type::kFinish || m.type == protocol::message_type::kResultShare)
            continue;
        payloads.insert(m.payload);
        ++count;
    }
    EXPECT_GT(count, 20u);
    EXPECT_EQ(payloads.size(), count);
    // One public key for each depth and ring, and each is new: no run of 64 bytes of one comes back in another
    // inference's, nor in another key's.
    std::set<std::vector<std::uint8_t>> pieces;
    std::size_t pieces_seen = 0;
    for (const Message& m : seen) {
        if (m.type != protocol::message_type::kStart) continue;
        ASSERT_EQ(m.payload.size(), protocol::start_bytes(model.plan()) + model.activation().sizes().start);
        ASSERT_GT(m.payload.size(), 2 * 2048u * 4);
        for (std::size_t at = 0; at + 64 <= m.payload.size(); at += 64, ++pieces_seen)
            pieces.insert({m.payload.begin() + static_cast<std::ptrdiff_t>(at),
                           m.payload.begin() + static_cast<std::ptrdiff_t>(at) + 64});
    }
    EXPECT_EQ(pieces.size(), pieces_seen);
    // Nor do the public seeds of the activations (the first 32 bytes of the start reply).
    std::set<std::vector<std::uint8_t>> seeds;
    for (const Message& m : seen)
        if (m.type == protocol::message_type::kStartReply) seeds.insert({m.payload.begin(), m.payload.begin() + 32});
    EXPECT_EQ(seeds.size(), 3u);
}

}  // namespace
}  // namespace flash
