// The activation in the composite scheme: what must be done once, what nobody but its owner chooses, and what depends
// on what. activation_test.cpp has what all protocols keep.
#include "protocol/activation/composite/composite_activation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <set>
#include <unordered_set>

#include "base/error.h"
#include "protocol/activation/composite/composite_client.h"
#include "protocol/activation/composite/composite_server.h"

namespace flash::protocol {
namespace {

using Bytes = std::vector<std::uint8_t>;

model::Architecture architecture_of(model::SlotChoice slots, const std::vector<model::Shape>& shapes,
                                    int plain_bits = 24) {
    model::Architecture out;
    out.slots = slots;
    out.plain_bits = plain_bits;
    for (const model::Shape& shape : shapes) {
        model::Layer layer;
        layer.output = shape;
        layer.share_bits = 9;
        out.layers.push_back(layer);
    }
    return out;
}

std::optional<ErrorKind> kind_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.kind();
    }
    return std::nullopt;
}

/// Two layers in one chunk, with the same shares on both sides whatever the seeds are.
class Parties {
public:
    Parties(const CompositeActivation& the_activation, std::uint64_t client_seed, std::uint64_t server_seed)
        : activation(the_activation),
          client(activation.client(SecretSeed::for_testing(client_seed))),
          server(activation.server(curves_, client->start(), SecretSeed::for_testing(server_seed))) {
        std::mt19937 random(5);
        for (int l = 0; l < activation.layers(); ++l) {
            std::vector<std::uint32_t> own;
            for (std::size_t i = 0; i < activation.layout().layer(l).values; ++i)
                own.push_back(static_cast<std::uint32_t>(random()) % 512);
            shares.push_back(std::move(own));
        }
    }
    Bytes vectors(std::size_t number) {
        return server->make_vectors(
            number, [&](int l) { return std::span<const std::uint32_t>(shares[static_cast<std::size_t>(l)]); });
    }
    Bytes answer(int layer, std::size_t chunk, const Bytes& vectors) {
        SecretVector<std::uint32_t> share(shares[static_cast<std::size_t>(layer)].size());
        return client->answer(layer, chunk, client->prepare(layer, chunk), vectors,
                              shares[static_cast<std::size_t>(layer)], share);
    }

    const CompositeActivation& activation;
    std::vector<std::vector<std::uint32_t>> shares;

private:
    const std::vector<ActivationCurve> curves_{{std::vector<std::int32_t>(64, -77), std::vector<std::int32_t>(64, 99)},
                                               {std::vector<std::int32_t>(64, 5), std::vector<std::int32_t>(64, 7)}};

public:
    const std::unique_ptr<ActivationClient> client;
    const std::unique_ptr<ActivationServer> server;
};

const std::vector<model::Shape> kTwoLayers = {{5, 11, 13}, {3, 7, 7}};

TEST(CompositeActivation, ServesAllShapesOfSlots) {
    const auto activation_for = [](model::SlotChoice slots, int bits = 24) {
        return make_activation(architecture_of(slots, kTwoLayers, bits));
    };
    for (const model::SlotChoice slots : {model::SlotChoice{4096, 1}, {8192, 2}, {8192, 3}, {16384, 6}, {16384, 7}}) {
        const auto activation = activation_for(slots);
        ASSERT_NE(dynamic_cast<const CompositeActivation*>(activation.get()), nullptr);
        EXPECT_EQ(activation->sizes().values_per_chunk,
                  static_cast<std::size_t>(slots.degree) * static_cast<std::size_t>(slots.moduli));
        EXPECT_EQ(activation->vectors_end(1), 1u);
        EXPECT_EQ(activation->chunks(0) + activation->chunks(1), 2u);
    }
    // Outside the security table; no such primes; two widths in one network.
    EXPECT_EQ(kind_of([&] { activation_for({8192, 3}, 28); }), ErrorKind::kUnsupported);
    EXPECT_EQ(kind_of([&] { activation_for({16384, 7}, 28); }), ErrorKind::kUnsupported);
    EXPECT_EQ(kind_of([&] { activation_for({4096, 2}); }), ErrorKind::kUnsupported);
    EXPECT_EQ(kind_of([&] { activation_for({16384, 6}, 20); }), ErrorKind::kUnsupported);
    model::Architecture mixed = architecture_of({8192, 2}, kTwoLayers);
    mixed.layers[1].plain_bits = 25;
    EXPECT_EQ(kind_of([&] { make_activation(mixed); }), ErrorKind::kUnsupported);
}

TEST(CompositeActivation, IsWrongOnceInABillionInferences) {
    for (const model::SlotChoice slots : {model::SlotChoice{8192, 2}, {8192, 3}, {16384, 6}})
        for (int layers : {1, 10, 60}) {
            const CompositeActivation activation(
                architecture_of(slots, std::vector<model::Shape>(static_cast<std::size_t>(layers), {64, 56, 56})));
            const double bound = activation.log2_wrong_inference();
            EXPECT_LE(bound, -30);
            EXPECT_GE(bound, -33);  // no bits are wasted: up to one for the count, and what primes leave
            EXPECT_EQ(bound, scheme::log2_wrong_rounding(
                                 activation.ring()->parameters(),
                                 static_cast<double>(activation.layout().answers() * activation.layout().degree())));
        }
}

TEST(CompositeActivation, EverythingOnce) {
    const CompositeActivation activation(architecture_of({8192, 2}, kTwoLayers));
    Parties p(activation, 1, 2);
    EXPECT_EQ(kind_of([&] { p.client->prepare(0, 0); }), ErrorKind::kInternal);  // no set-up yet
    p.client->begin(p.server->setup());
    EXPECT_EQ(kind_of([&] { p.client->begin(p.server->setup()); }), ErrorKind::kInternal);
    const Bytes vectors = p.vectors(0);
    EXPECT_EQ(kind_of([&] { p.vectors(0); }), ErrorKind::kInternal);
    EXPECT_EQ(kind_of([&] { p.vectors(1); }), ErrorKind::kInternal);
    SecretVector<std::uint32_t> share(p.shares[0].size()), other(p.shares[1].size());
    // What was prepared for one layer does not answer the other one that shares the chunk.
    EXPECT_EQ(kind_of([&] { p.client->answer(1, 0, p.client->prepare(0, 0), vectors, p.shares[1], other); }),
              ErrorKind::kInternal);
    EXPECT_EQ(kind_of([&] { p.client->prepare(0, 0); }), ErrorKind::kInternal);
    EXPECT_EQ(kind_of([&] { p.client->prepare(0, 1); }), ErrorKind::kInternal);
    const Bytes answer = p.client->answer(1, 0, p.client->prepare(1, 0), vectors, p.shares[1], other);
    EXPECT_EQ(kind_of([&] { p.answer(1, 0, vectors); }), ErrorKind::kInternal);
    p.server->finish(1, 0, answer, p.shares[1], other);
    EXPECT_EQ(kind_of([&] { p.server->finish(1, 0, answer, p.shares[1], other); }), ErrorKind::kInternal);
    EXPECT_EQ(kind_of([&] { p.server->finish(1, 1, answer, p.shares[1], other); }), ErrorKind::kInternal);
    // A malformed answer is the only one, too.
    EXPECT_EQ(kind_of([&] { p.server->finish(0, 0, Bytes(answer.size(), 255), p.shares[0], share); }),
              ErrorKind::kProtocol);
    EXPECT_EQ(kind_of([&] { p.server->finish(0, 0, answer, p.shares[0], share); }), ErrorKind::kInternal);
}

TEST(CompositeActivation, MalformedMessages) {
    const CompositeActivation activation(architecture_of({8192, 3}, kTwoLayers));
    Parties p(activation, 1, 2);
    const Bytes setup = p.server->setup();
    Bytes bad = setup;
    std::ranges::fill(bad, 255);  // no coefficient is below its modulus
    EXPECT_EQ(kind_of([&] { p.client->begin(bad); }), ErrorKind::kProtocol);
    EXPECT_EQ(kind_of([&] { p.client->begin({}); }), ErrorKind::kProtocol);
    p.client->begin(setup);
    EXPECT_EQ(kind_of([&] { p.answer(0, 0, Bytes(activation.sizes().vectors, 255)); }), ErrorKind::kProtocol);
    EXPECT_EQ(kind_of([&] { p.answer(1, 0, Bytes(activation.sizes().vectors + 1)); }), ErrorKind::kProtocol);
}

/// All runs of eight bytes that begin at a multiple of eight, and whether another message has one anywhere.
class Windows {
public:
    void add(const Bytes& bytes) {
        for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) found_.insert(word(bytes, i));
    }
    bool shared(const Bytes& bytes) const {
        for (std::size_t i = 0; i + 8 <= bytes.size(); ++i)
            if (found_.contains(word(bytes, i))) return true;
        return false;
    }

private:
    static std::uint64_t word(const Bytes& bytes, std::size_t at) {
        std::uint64_t x;
        std::memcpy(&x, bytes.data() + at, 8);
        return x;
    }
    std::unordered_set<std::uint64_t> found_;
};

// All that the parties send, for one pair of shares.
std::vector<Bytes> transcript(const CompositeActivation& activation, std::uint64_t client_seed,
                              std::uint64_t server_seed) {
    Parties p(activation, client_seed, server_seed);
    const Bytes setup = p.server->setup();
    p.client->begin(setup);
    const Bytes vectors = p.vectors(0);
    return {p.client->start(), setup, vectors, p.answer(0, 0, vectors), p.answer(1, 0, vectors)};
}

TEST(CompositeActivation, FreshSeedsShareNoBytes) {
    const CompositeActivation activation(architecture_of({4096, 1}, kTwoLayers));
    const std::vector<Bytes> once = transcript(activation, 1, 2), again = transcript(activation, 3, 4);
    EXPECT_EQ(once, transcript(activation, 1, 2));  // the seeds determine everything
    Windows windows;
    for (const Bytes& message : once) windows.add(message);
    EXPECT_TRUE(windows.shared(once[2]));
    for (const Bytes& message : again) EXPECT_FALSE(windows.shared(message));
    // Either party alone makes all of the vectors and answers new: the public `a` come from both seeds.
    Windows of_vectors;
    of_vectors.add(once[2]);
    EXPECT_FALSE(of_vectors.shared(transcript(activation, 3, 2)[2]));
    Windows of_answers;
    of_answers.add(once[3]);
    of_answers.add(once[4]);
    const std::vector<Bytes> other_server = transcript(activation, 1, 4);
    EXPECT_FALSE(of_answers.shared(other_server[3]));
    EXPECT_FALSE(of_answers.shared(other_server[4]));
    // Two layers of one run over one chunk.
    Windows of_first;
    of_first.add(once[3]);
    EXPECT_FALSE(of_first.shared(once[4]));
}

// The client's answers are a function of its own secrets and of the public a: neither what the server encrypted nor its
// public key can change a bit of them.
TEST(CompositeActivation, AnswersDoNotDependOnWhatTheServerSends) {
    const CompositeActivation activation(architecture_of({8192, 3}, kTwoLayers));
    Parties p(activation, 1, 2), other_vectors(activation, 1, 2), other_key(activation, 1, 2);
    const Bytes setup = p.server->setup();
    p.client->begin(setup);
    other_vectors.client->begin(setup);
    Bytes zero_key = setup;
    std::fill(zero_key.begin() + sizeof(PublicSeed), zero_key.end(), 0);
    other_key.client->begin(zero_key);
    const Bytes vectors = p.vectors(0), zeros(vectors.size());
    for (int layer : {0, 1}) {
        const Bytes answer = p.answer(layer, 0, vectors);
        EXPECT_EQ(answer, other_vectors.answer(layer, 0, zeros));
        EXPECT_EQ(answer, other_key.answer(layer, 0, vectors));
        EXPECT_EQ(answer.size(), activation.sizes().answer);
    }
}

TEST(CompositeActivation, InstructionSetsGiveTheSameBits) {
    for (const model::SlotChoice slots : {model::SlotChoice{4096, 1}, {8192, 3}}) {
        const model::Architecture architecture = architecture_of(slots, {{5, 11, 13}, {7, 41, 47}});
        std::optional<std::vector<Bytes>> first;
        for (const InstructionSet set : supported_instruction_sets()) {
            const std::vector<Bytes> messages = transcript(CompositeActivation(architecture, set), 1, 2);
            if (!first) first = messages;
            EXPECT_EQ(messages, *first) << to_string(set);
        }
    }
}

}  // namespace
}  // namespace flash::protocol
