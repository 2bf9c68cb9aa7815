// The fuzz target of the activation's messages over good ones, damaged ones and noise.
#include <gtest/gtest.h>

#include "support/mutate.h"
#include "support/seeds.h"

#define LLVMFuzzerTestOneInput fuzz_activation
#include "../../fuzz/protocol/activation_fuzz.cpp"

namespace {

using Bytes = std::vector<std::uint8_t>;

/// One good message of each kind.
std::vector<Bytes> good_messages() {
    const ActivationFuzzParties parties;
    std::vector<Bytes> messages;
    Bytes setup = protocol::encode(protocol::CompositeSetup{{2}, parties.public_key});
    setup.insert(setup.begin(), 0);
    messages.push_back(std::move(setup));
    Prng key_rng(SecretSeed::for_testing(1), "fuzz"), rng(SecretSeed::for_testing(3), "fuzz");
    scheme::CompositeSecretKey key(parties.ring, parties.seeds, key_rng);
    Bytes vectors{1};
    for (std::uint32_t v = 0; v < 2; ++v) key.encrypt({0, v}, parties.own, rng, vectors);
    messages.push_back(vectors);
    const scheme::CompositeVectorId ids[] = {{0, 0}, {0, 1}};
    const auto half = std::span<const std::uint8_t>(vectors).subspan(1).first(parties.ring->ciphertext_bytes());
    const scheme::CompositeFactor factors[] = {{half, parties.own}, {half, parties.own}};
    std::vector<std::uint32_t> share(parties.ring->values());
    Bytes answer = parties.evaluator.answer(parties.evaluator.prepare(ids, rng), factors, share);
    answer.insert(answer.begin(), 2);
    messages.push_back(std::move(answer));
    messages.push_back(Bytes(33, 3));
    return messages;
}

TEST(ActivationFuzz, GoodAndDamagedMessages) {
    std::mt19937_64 rng(7);
    for (const Bytes& message : good_messages()) {
        flash::testing::offer_seed("activation", message);
        fuzz_activation(message.data(), message.size());
        for (int i = 0; i < 1000; ++i) {
            const Bytes damaged = flash::testing::mutated(message, rng);
            fuzz_activation(damaged.data(), damaged.size());
        }
        for (int i = 0; i < 50; ++i) {
            Bytes noise(message.size());
            for (std::uint8_t& byte : noise) byte = static_cast<std::uint8_t>(rng());
            noise[0] = message[0];
            fuzz_activation(noise.data(), noise.size());
        }
    }
}

TEST(ActivationFuzz, Seeds) { flash::testing::replay_seeds("activation", fuzz_activation); }

}  // namespace
