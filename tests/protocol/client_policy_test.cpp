#include "protocol/client_policy.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "protocol/activation/clear_activation.h"
#include "protocol/messages.h"
#include "support/random_model.h"

namespace flash::protocol {
namespace {

ClientModel known(const model::Architecture& architecture) {
    return {architecture, Sha256{}, std::make_shared<flash::testing::ClearActivation>(architecture)};
}

model::Architecture some_model(bool trust_server, std::uint64_t seed) {
    flash::testing::RandomModelOptions options;
    options.slots = {8192, 2};
    options.trust_server = trust_server;
    options.share_bits = 8;
    return flash::testing::random_model(seed, options).architecture;
}

TEST(ClientPolicy, AModelThatAsksForTrustNeedsTheUsersWord) {
    EXPECT_NO_THROW(check_policy(known(some_model(false, 1)), {}));
    const ClientModel trusting = known(some_model(true, 1));
    EXPECT_THROW(check_policy(trusting, {}), Error);
    EXPECT_THROW(check_policy(trusting, {.large_ring_only = true}), Error);
    EXPECT_NO_THROW(check_policy(trusting, {.trust_server = true}));
}

TEST(ClientPolicy, TheSmallRingCanBeRefused) {
    int refused = 0;
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
        const ClientModel model = known(some_model(false, seed));
        EXPECT_NO_THROW(check_policy(model, {}));
        const bool small = model.plan.degrees().back() == 1024;
        refused += small;
        if (small)
            EXPECT_THROW(check_policy(model, {.large_ring_only = true}), Error);
        else
            EXPECT_NO_THROW(check_policy(model, {.large_ring_only = true}));
    }
    EXPECT_GT(refused, 2);
}

TEST(ClientPolicy, TheNumberOfKeysIsBounded) {
    model::Architecture deep = some_model(false, 1);
    deep.layers.clear();
    for (std::size_t l = 0; l <= kMaxKeys; ++l) {
        model::Layer layer;
        layer.name = "layer";
        layer.terms.resize(1);
        layer.terms[0].source = static_cast<int>(l);
        layer.output = deep.input;
        layer.share_bits = 8;
        layer.activation = l < kMaxKeys;
        deep.layers.push_back(layer);
    }
    deep.classes.clear();
    model::validate(deep);
    EXPECT_THROW(check_policy(known(deep), {}), Error);
    deep.layers.pop_back();
    deep.layers.back().activation = false;
    EXPECT_NO_THROW(check_policy(known(deep), {}));
}

TEST(ClientPolicy, TheHelloBringsTheRandomNumberOfASessionWhereOneIsNeeded) {
    ServerHello hello;
    hello.architecture = {1, 2, 3};
    EXPECT_EQ(decode_server_hello(encode(hello)).session, std::nullopt);
    hello.session = PublicSeed{7, 8};
    std::vector<std::uint8_t> bytes = encode(hello);
    EXPECT_EQ(decode_server_hello(bytes).session, hello.session);
    EXPECT_EQ(decode_server_hello(bytes).architecture, hello.architecture);
    bytes.pop_back();
    EXPECT_THROW(decode_server_hello(bytes), Error);
    bytes.resize(bytes.size() + 2);
    EXPECT_THROW(decode_server_hello(bytes), Error);
}

}  // namespace
}  // namespace flash::protocol
