// The message fuzz target over damaged hellos and architectures.
#include <gtest/gtest.h>

#include "model/file.h"
#include "protocol/messages.h"
#include "support/mutate.h"
#include "support/random_model.h"
#include "support/seeds.h"

#define LLVMFuzzerTestOneInput fuzz_message
#include "../../fuzz/protocol/message_fuzz.cpp"

namespace {

TEST(MessageFuzz, DamagedHellosAndArchitectures) {
    std::mt19937_64 rng(20240702);
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
        const auto model = flash::testing::random_model(seed);
        flash::protocol::ServerHello hello;
        hello.secret_digest = flash::model::secret_digest(model);
        hello.architecture = flash::model::serialize(model.architecture);
        const std::vector<flash::protocol::ModelEntry> list{{"net", 1, {}, "a title"}, {"other", 0, {}, ""}};
        const std::vector<std::uint8_t> inputs[] = {flash::protocol::encode(hello),
                                                    flash::protocol::encode(flash::protocol::ClientHello{}),
                                                    flash::protocol::encode(list), hello.architecture};
        for (const auto& bytes : inputs) {
            flash::testing::offer_seed("message", bytes);
            for (int i = 0; i < 400; ++i) {
                const auto damaged = flash::testing::mutated(bytes, rng);
                fuzz_message(damaged.data(), damaged.size());
            }
        }
    }
}

TEST(MessageFuzz, Seeds) { flash::testing::replay_seeds("message", fuzz_message); }

}  // namespace
