// Every byte that both parties send, against digests that were recorded once: whoever rearranges code, or makes it
// faster, must not change a bit on the wire. Both parties run on fixed seeds. (The models are
// drawn with the distributions of GNU's standard library; with another one the fingerprints differ first.) Types of
// messages are sent by threads of their own, so only within a type is the order fixed, and each type has a digest.
//
// A change of the protocol or of its streams of random bits changes these digests; record them again then (a failing
// test prints them) and raise kProtocolVersion where old peers would not understand.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/hash.h"
#include "support/private_run.h"
#include "support/random_model.h"
#include "transport/frame.h"

namespace flash::protocol {
namespace {

using transport::Message;

/// The start of each digest: 64 bits are plenty against accidents.
using Digests = std::map<int, std::string>;

class Recorder {
public:
    transport::Tap tap() {
        return [this](Message message) {
            Sha256Stream& stream = streams_[static_cast<int>(message.type)];
            stream.add(transport::encode_header(message));
            stream.add(message.payload);
            return std::optional<Message>(std::move(message));
        };
    }
    Digests finish() {
        Digests digests;
        for (auto& [type, stream] : streams_) digests[type] = to_hex(stream.finish()).substr(0, 16);
        return digests;
    }

private:
    std::map<int, Sha256Stream> streams_;
};

struct Golden {
    std::string model;  ///< start of its fingerprint: another one means that the model is not the one of the recording
    Digests client, server;
    std::string result;
};

void expect_golden(const model::Model& model, const Golden& golden) {
    const PreparedModel prepared{model::Model(model)};
    EXPECT_EQ(to_hex(prepared.fingerprint()).substr(0, 16), golden.model);
    Recorder client, server;
    transport::LoopbackOptions options;
    options.first_to_second = client.tap();
    options.second_to_first = server.tap();
    const ClientResult result = flash::testing::run_without_audit(
        prepared, flash::testing::random_input(prepared.architecture(), 31), 41, 42, std::move(options));
    EXPECT_EQ(client.finish(), golden.client);
    EXPECT_EQ(server.finish(), golden.server);
    std::vector<std::uint8_t> bytes;
    for (const std::int32_t x : result.x)
        for (int i = 0; i < 4; ++i)
            bytes.push_back(static_cast<std::uint8_t>(static_cast<std::uint32_t>(x) >> (8 * i)));
    EXPECT_EQ(to_hex(sha256(bytes)).substr(0, 16), golden.result);
}

TEST(GoldenTranscript, ALayerOfSeveralChunks) {
    expect_golden(flash::testing::single_convolution({3, 40, 40}, 14, {3, 3, 1, 1, 1, 1, 1, 1}, 51),
                  {.model = "a2e671b06d5abe4b",
                   .client = {{4, "4affb3a351561fb2"},
                              {6, "5da037c093bc31ef"},
                              {9, "35f4caaddc44bd4c"},
                              {11, "99dbd07a7e49211a"}},
                   .server = {{5, "fa4f3d94540697b0"},
                              {7, "3ef921baf55aed61"},
                              {8, "ca47f8973711b4c5"},
                              {10, "3b94ecb854dc582e"}},
                   .result = "94d04852cddd522f"});
}

/// A network with layers in both rings, a pool and an identity shortcut.
model::Model varied_model() {
    flash::testing::RandomModelOptions options;
    options.plain_bits = 24;
    options.share_bits = 9;
    options.layers = 6;
    options.max_extent = 20;
    for (std::uint64_t seed = 12;; ++seed) {
        model::Model model = flash::testing::random_model(seed, options);
        bool pool = false, identity = false;
        for (const model::Layer& layer : model.architecture.layers)
            for (const model::Term& term : layer.terms) {
                pool = pool || term.pool;
                identity = identity || term.kind == model::TermKind::kScale;
            }
        if (pool && identity && packing::make_plan(model.architecture).degrees().size() == 2) return model;
    }
}

TEST(GoldenTranscript, ShortcutsPoolsAndBothRings) {
    expect_golden(varied_model(), {.model = "0463bf74cc18ccf4",
                                   .client = {{4, "86ee4613b33a05a7"},
                                              {6, "a0629d77efad1ebe"},
                                              {9, "75f9d864c6a8b866"},
                                              {11, "99dbd07a7e49211a"}},
                                   .server = {{5, "03eff587ceed2c30"},
                                              {7, "727854582e4b12b6"},
                                              {8, "7d6e19358a40604e"},
                                              {10, "0f06cf3427c186db"}},
                                   .result = "4037e216a23f9fd5"});
}

TEST(GoldenTranscript, AnotherPlaintextModulus) {
    flash::testing::RandomModelOptions options;
    options.plain_bits = 27;
    options.share_bits = 11;
    options.layers = 3;
    expect_golden(flash::testing::random_model(13, options), {.model = "2e43a8a59921f78d",
                                                              .client = {{4, "6f8cecb64e410ec7"},
                                                                         {6, "922a78b249801bb2"},
                                                                         {9, "abe31a634cb49c7a"},
                                                                         {11, "99dbd07a7e49211a"}},
                                                              .server = {{5, "87638005ce817057"},
                                                                         {7, "ec50d951a9ca62e1"},
                                                                         {8, "43c131070430fed1"},
                                                                         {10, "7501a4dcac4c912d"}},
                                                              .result = "678e2fcee11a3c66"});
}

}  // namespace
}  // namespace flash::protocol
