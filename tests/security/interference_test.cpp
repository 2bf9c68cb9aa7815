// What may depend on what a server sends. With the client's randomness fixed, the linear responses of a layer change
// nothing under keys of its depth or shallower ones, and neither the server's public key nor its vectors change any
// answer. Controls: one key for all depths, and a client that lets its half of an answer into what it sends.
#include <gtest/gtest.h>

#include <map>

#include "protocol/activation/composite/setup.h"
#include "protocol/message_types.h"
#include "support/played_server.h"
#include "support/private_run.h"
#include "support/random_model.h"

namespace flash {
namespace {

using flash::testing::Bytes;
using protocol::ClientModel;
using transport::Message;
namespace message_type = protocol::message_type;

/// What a server changes in one layer, while all else that it sends stays as it is.
enum class Change { kNothing, kResponses, kKey, kVectors };

class Changing : public flash::testing::PlayedServer {
public:
    Changing(const ClientModel& known, Change change, int layer = 0)
        : PlayedServer(known),
          change_(change),
          layer_(layer) {}
    Bytes setup(const Message&) override {
        protocol::CompositeSetup setup;
        const bool changed = change_ == Change::kKey;
        setup.public_key = flash::testing::packed_half(ring(), [&](const lattice::Modulus& modulus, std::size_t i) {
            return (i * 977 + changed * (modulus.value() / 3)) % modulus.value();
        });
        return protocol::encode(setup);
    }
    Bytes linear_response(int layer, int polynomial) override {
        const bool changed = change_ == Change::kResponses && layer == layer_;
        return Bytes(response_bytes(layer, polynomial), changed ? 0x5a : 0x33);
    }
    Bytes vectors(int layer, std::size_t number) override {
        // The chunk's vectors come with the first layer that has values in it.
        const bool changed = change_ == Change::kVectors && layer == layer_;
        Bytes out;
        for (std::uint64_t v = 0; v < 3; ++v) {
            const Bytes half = flash::testing::packed_half(ring(), [&](const lattice::Modulus& modulus, std::size_t i) {
                return (i * i * 31 + number + v + changed * (modulus.value() / 5 + i)) % modulus.value();
            });
            out.insert(out.end(), half.begin(), half.end());
        }
        return out;
    }

private:
    const Change change_;
    const int layer_;
};

using Name = std::array<std::uint32_t, 3>;
std::map<Name, Bytes> sent(const ClientModel& known, Change change, int layer = 0) {
    Changing server(known, change, layer);
    const flash::testing::PlayedRun run =
        flash::testing::play(server, flash::testing::random_input(known.architecture, 7), 21);
    EXPECT_EQ(run.error, "");
    std::map<Name, Bytes> messages;
    for (const Message& message : run.sent)
        messages[{static_cast<std::uint32_t>(message.type), message.layer, message.index}] = message.payload;
    return messages;
}

/// Counts of messages that changed though they must not, and of those that may and did.
struct Changes {
    int forbidden = 0, allowed = 0;
};

/// The least depth of what a change reads or makes: that of the layer, or, for vectors, of all layers that share them.
int depth_of(const ClientModel& known, Change change, int layer) {
    int depth = known.plan.layers[static_cast<std::size_t>(layer)].depth;
    if (change == Change::kKey) depth = 1;
    if (change == Change::kVectors)
        for (int l = layer; l < known.activation->layers(); ++l)
            if (known.activation->chunks(l) > 0 &&
                known.activation->first_vectors(l) < known.activation->vectors_end(layer))
                depth = std::min(depth, known.plan.layers[static_cast<std::size_t>(l)].depth);
    return depth;
}

/// Whether a change in a layer may reach a message of the client's.
bool may_change(const ClientModel& known, Change change, int layer, const Name& name) {
    if (name[0] == static_cast<std::uint32_t>(message_type::kUpload))
        return known.plan.layers[name[1]].depth > depth_of(known, change, layer);
    if (name[0] == static_cast<std::uint32_t>(message_type::kProductResponse))
        return change == Change::kResponses && name[1] == static_cast<std::uint32_t>(layer);
    return false;  // public keys, the end
}

Changes changes(const ClientModel& known, Change change, int layer) {
    Changes result;
    const auto before = sent(known, Change::kNothing), after = sent(known, change, layer);
    EXPECT_EQ(before.size(), after.size());
    for (const auto& [name, payload] : before) {
        const auto found = after.find(name);
        if (found != after.end() && found->second == payload) continue;
        (may_change(known, change, layer, name) ? result.allowed : result.forbidden) += 1;
    }
    return result;
}

model::Architecture architecture(std::uint64_t seed, bool trust_server = false) {
    flash::testing::RandomModelOptions options;
    options.slots = {8192, 3};
    options.plain_bits = 24;
    options.share_bits = 9;
    options.layers = 3;
    options.max_extent = 20;
    options.trust_server = trust_server;
    return flash::testing::random_model(seed, options).architecture;
}

TEST(Interference, ResponsesChangeNothingUnderKeysOfTheirDepth) {
    int allowed = 0;
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        const ClientModel known(architecture(seed), Sha256{1});
        for (int layer = 0; layer + 1 < static_cast<int>(known.plan.layers.size()); ++layer) {
            SCOPED_TRACE(layer);
            const Changes found = changes(known, Change::kResponses, layer);
            EXPECT_EQ(found.forbidden, 0);
            allowed += found.allowed;
        }
    }
    EXPECT_GT(allowed, 20) << "answers and deeper uploads do depend on responses";
}

TEST(Interference, KeysAndVectorsChangeNoAnswer) {
    int allowed = 0;
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        const ClientModel known(architecture(seed), Sha256{1});
        for (int layer = 0; layer + 1 < static_cast<int>(known.plan.layers.size()); ++layer) {
            SCOPED_TRACE(layer);
            const Changes vectors = changes(known, Change::kVectors, layer);
            EXPECT_EQ(vectors.forbidden, 0);
            allowed += vectors.allowed;
        }
        const Changes key = changes(known, Change::kKey, 0);
        EXPECT_EQ(key.forbidden, 0);
        allowed += key.allowed;
    }
    EXPECT_GT(allowed, 20) << "deeper uploads do depend on them";
}

TEST(Interference, ControlOneKeyForAllDepths) {
    int forbidden = 0;
    for (std::uint64_t seed = 1; seed <= 3; ++seed)
        forbidden += changes({architecture(seed, true), Sha256{1}}, Change::kResponses, 0).forbidden;
    EXPECT_GT(forbidden, 3);
}

/// A client that lets the half which it should keep into its answers.
class SendsBothHalves : public protocol::CompositeActivation {
public:
    using CompositeActivation::CompositeActivation;
    std::unique_ptr<protocol::ActivationClient> client(const SecretSeed& seed) const override {
        return std::make_unique<Client>(CompositeActivation::client(seed));
    }

private:
    class Client : public protocol::ActivationClient {
    public:
        explicit Client(std::unique_ptr<ActivationClient> inner) : inner_(std::move(inner)) {}
        Bytes start() const override { return inner_->start(); }
        void begin(std::span<const std::uint8_t> setup) override { inner_->begin(setup); }
        std::unique_ptr<protocol::PreparedAnswer> prepare(int layer, std::size_t chunk) const override {
            return inner_->prepare(layer, chunk);
        }
        Bytes answer(int layer, std::size_t chunk, std::unique_ptr<protocol::PreparedAnswer> prepared,
                     std::span<const std::uint8_t> vectors, std::span<const std::uint32_t> pre_activations,
                     std::span<std::uint32_t> share) const override {
            Bytes bytes = inner_->answer(layer, chunk, std::move(prepared), vectors, pre_activations, share);
            for (std::size_t i = 0; i < std::min(share.size(), bytes.size()); ++i)
                bytes[i] = static_cast<std::uint8_t>(bytes[i] ^ share[i]);
            return bytes;
        }

    private:
        const std::unique_ptr<ActivationClient> inner_;
    };
};

TEST(Interference, ControlAClientThatSendsBothHalves) {
    int forbidden = 0;
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        const model::Architecture a = architecture(seed);
        const ClientModel known(a, Sha256{1}, std::make_shared<SendsBothHalves>(a));
        forbidden += changes(known, Change::kVectors, 0).forbidden + changes(known, Change::kKey, 0).forbidden;
    }
    EXPECT_GT(forbidden, 3);
}

/// The server's side: its shares of the pre-activations are a function of its masks alone, whatever a client uploads.
TEST(Interference, TheServersSharesDependOnItsSeedOnly) {
    flash::testing::RandomModelOptions options;
    options.slots = {8192, 2};
    options.plain_bits = 24;
    options.share_bits = 9;
    const protocol::PreparedModel model(flash::testing::random_model(5, options));
    struct Shares : protocol::ShareProbe {
        std::map<int, std::vector<std::uint32_t>> of_layer;
        void pre_activation(int layer, std::span<const std::uint32_t> share) override {
            of_layer[layer].assign(share.begin(), share.end());
        }
        void value(int, std::span<const std::uint32_t>) override {}
    };
    Shares client, first, second, third;
    const auto input = [&](std::uint64_t seed) { return flash::testing::random_input(model.architecture(), seed); };
    flash::testing::run_with_probes(model, input(1), client, first, 1, 9);
    flash::testing::run_with_probes(model, input(2), client, second, 2, 9);
    flash::testing::run_with_probes(model, input(2), client, third, 2, 10);
    EXPECT_EQ(first.of_layer.size(), model.plan().layers.size());
    EXPECT_EQ(first.of_layer, second.of_layer);
    EXPECT_NE(first.of_layer, third.of_layer);  // the control
}

}  // namespace
}  // namespace flash
