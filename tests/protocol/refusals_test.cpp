// Architectures that a client refuses: each by a session of its own against a server that announces one, and each time
// all that the client has sent is its hello. Nothing that depends on its picture or on its keys exists by then.
#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"
#include "model/file.h"
#include "protocol/client_session.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "support/random_model.h"
#include "transport/loopback.h"

namespace flash::protocol {
namespace {

using transport::Message;

model::Architecture announced() {
    flash::testing::RandomModelOptions options;
    options.slots = {8192, 2};
    options.plain_bits = 24;
    options.share_bits = 9;
    options.mixed_rings = false;
    return flash::testing::random_model(1, options).architecture;
}

ServerHello hello_of(const model::Architecture& architecture) {
    ServerHello hello;
    hello.secret_digest = Sha256{3};
    hello.architecture = model::serialize(architecture);
    hello.session = PublicSeed{7};
    return hello;
}

/// What a client said to a server that sent these bytes as its hello.
struct Reaction {
    std::string refusal;  ///< empty: it would have gone on
    std::vector<Message> sent;
};

Reaction react(const std::vector<std::uint8_t>& server_hello, const ClientSessionOptions& session_options = {}) {
    using namespace std::chrono_literals;
    Reaction reaction;
    transport::LoopbackOptions options;
    options.limits.timeout = 5s;
    options.first_to_second = [&](Message message) {
        reaction.sent.push_back(message);
        return std::optional<Message>(std::move(message));
    };
    auto [client_end, server_end] = transport::make_loopback(std::move(options));
    server_end->send({message_type::kServerHello, 0, 0, server_hello});
    try {
        ClientSession(std::move(client_end), session_options);
    } catch (const Error& error) {
        reaction.refusal = error.what();
    }
    return reaction;
}

void expect_refused(const std::vector<std::uint8_t>& server_hello, const std::string& why,
                    const ClientSessionOptions& options = {}) {
    const Reaction reaction = react(server_hello, options);
    EXPECT_NE(reaction.refusal.find(why), std::string::npos) << "'" << reaction.refusal << "' instead of " << why;
    // Its hello, and the report that it leaves: a fixed sentence, or one about what the server itself sent.
    ASSERT_EQ(reaction.sent.size(), 2u);
    EXPECT_EQ(reaction.sent[0].type, message_type::kClientHello);
    EXPECT_EQ(reaction.sent[0].payload.size(), encode(ClientHello{}).size());
    EXPECT_EQ(static_cast<int>(reaction.sent[1].type), 1);
}

/// Serialised as it is, though validate() would refuse it.
std::vector<std::uint8_t> changed(const std::function<void(model::Architecture&)>& change) {
    model::Architecture architecture = announced();
    change(architecture);
    return encode(hello_of(architecture));
}

TEST(Refusals, ControlAGoodArchitectureIsAccepted) {
    const Reaction reaction = react(encode(hello_of(announced())));
    EXPECT_EQ(reaction.refusal, "");
    ASSERT_EQ(reaction.sent.size(), 1u);
    EXPECT_EQ(reaction.sent[0].type, message_type::kClientHello);
}

TEST(Refusals, VersionsAndFingerprints) {
    ServerHello older = hello_of(announced());
    older.version = kProtocolVersion - 1;
    expect_refused(encode(older), "protocol version");
    ClientSessionOptions pinned;
    pinned.expected_fingerprint = Sha256{1};
    expect_refused(encode(hello_of(announced())), "fingerprint", pinned);
    ServerHello without = hello_of(announced());
    without.session.reset();
    expect_refused(encode(without), "random number");
    ServerHello longer = hello_of(announced());
    std::vector<std::uint8_t> bytes = encode(longer);
    bytes.push_back(0);
    expect_refused(bytes, "hello");
}

TEST(Refusals, SlotsAndModuli) {
    const auto slots = [](model::SlotChoice choice, int bits) {
        return changed([=](model::Architecture& a) {
            a.slots = choice;
            a.plain_bits = bits;
        });
    };
    expect_refused(slots({8192, 3}, 28), "8192");  // outside the security table
    expect_refused(slots({8192, 4}, 24), "8192");  // no row of the table
    expect_refused(slots({2048, 1}, 24), "slots of degree 2048");
    expect_refused(slots({16384, 7}, 20), "no 7 suitable primes");
    expect_refused(slots({8192, 2}, 19), "moduli of 19 bits");
    expect_refused(slots({8192, 0}, 24), "0 values in a slot");
    expect_refused(changed([](model::Architecture& a) { a.layers[0].plain_bits = 25; }), "of 25");  // two widths
}

TEST(Refusals, Ranges) {
    expect_refused(changed([](model::Architecture& a) { a.layers[0].share_bits = 17; }), "share bits");
    expect_refused(changed([](model::Architecture& a) { a.layers[0].share_bits = 5; }), "share bits");
    expect_refused(changed([](model::Architecture& a) { a.layers[0].upload_bits = 15; }), "uploads");
    expect_refused(changed([](model::Architecture& a) { a.input_upload_bits = 33; }), "uploads");
    expect_refused(changed([](model::Architecture& a) { a.input_limit = 1 << 23; }), "input limit");
    expect_refused(changed([](model::Architecture& a) { a.layers[0].packing.degree = 512; }), "512");
}

TEST(Refusals, Graphs) {
    const auto graph = [](const std::function<void(model::Architecture&)>& change) { return changed(change); };
    for (const int layer : {0, 1, 2})
        expect_refused(graph([=](model::Architecture& a) {
                           a.layers[static_cast<std::size_t>(layer)].terms[0].source = layer + 1;  // its own value
                       }),
                       "does not exist before it");
    expect_refused(graph([](model::Architecture& a) { a.layers[0].terms[0].source = -1; }), "does not exist");
    expect_refused(graph([](model::Architecture& a) { a.layers[0].activation = false; }), "but the last");
    expect_refused(graph([](model::Architecture& a) { a.layers.back().activation = true; }), "but the last");
    expect_refused(graph([](model::Architecture& a) { a.layers[1].terms.clear(); }), "terms");
    expect_refused(graph([](model::Architecture& a) { a.layers.clear(); }), "layers");
    expect_refused(graph([](model::Architecture& a) {
                       a.layers[1].terms[0].kind = model::TermKind::kScale;
                       a.layers[1].terms[0].window = {};
                       a.layers[1].terms[0].pool.reset();
                       a.layers[1].output.channels += 1;
                   }),
                   "per-channel scale");
}

TEST(Refusals, RingsAndTrust) {
    expect_refused(changed([](model::Architecture& a) { a.layers[0].packing.degree = 1024; }), "the picture");
    expect_refused(changed([](model::Architecture& a) { a.trust_server = true; }), "random number");
    ServerHello trusting = hello_of(announced());
    model::Architecture architecture = announced();
    architecture.trust_server = true;
    trusting.architecture = model::serialize(architecture);
    trusting.session.reset();
    expect_refused(encode(trusting), "follows the protocol only");
    ClientSessionOptions trust;
    trust.policy.trust_server = true;
    EXPECT_EQ(react(encode(trusting), trust).refusal, "");
    const auto small = changed([](model::Architecture& a) { a.layers.back().packing.degree = 1024; });
    EXPECT_EQ(react(small).refusal, "");
    ClientSessionOptions large;
    large.policy.large_ring_only = true;
    expect_refused(small, "small ring", large);
    EXPECT_EQ(react(encode(hello_of(announced())), large).refusal, "");
}

/// A chain of layers on maps of this shape.
std::vector<std::uint8_t> chain(std::size_t layers, model::Shape shape) {
    return changed([&](model::Architecture& a) {
        a.preprocessing = {};
        a.input = shape;
        a.layers.clear();
        a.classes.clear();
        for (std::size_t l = 0; l < layers; ++l) {
            model::Layer layer;
            layer.terms.resize(1);
            layer.terms[0].source = static_cast<int>(l);
            layer.output = shape;
            layer.share_bits = 9;
            layer.activation = l + 1 < layers;
            a.layers.push_back(layer);
        }
    });
}

TEST(Refusals, Caps) {
    expect_refused(chain(kMaxKeys + 1, {1, 2, 2}), "keys");
    expect_refused(chain(1, {2, 1024, 1024}), "results");
    expect_refused(chain(500, {64, 128, 128}), "MiB");
}

}  // namespace
}  // namespace flash::protocol
