// The profiles of both parties of one inference: every byte and every layer has its place.
#include "base/profile.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "protocol/client_inference.h"
#include "protocol/server_inference.h"
#include "support/private_run.h"
#include "support/random_model.h"
#include "transport/loopback.h"

namespace flash::protocol {
namespace {

struct Bytes {
    std::uint64_t sent = 0, received = 0;
    std::set<Phase> phases;
};

Bytes total(const Profile& profile, int layers) {
    Bytes sum;
    for (const ProfileEntry& entry : summarise(profile)) {
        sum.sent += entry.bytes_sent;
        sum.received += entry.bytes_received;
        sum.phases.insert(entry.phase);
        EXPECT_LT(entry.layer, layers);
        EXPECT_GE(entry.seconds, -1e-9) << to_string(entry.phase);
    }
    return sum;
}

TEST(InferenceProfile, HasEveryByteOfBothParties) {
    const PreparedModel model(flash::testing::random_model(5));
    const auto input = flash::testing::random_input(model.architecture(), 6);
    auto [client_end, server_end] = transport::make_loopback();
    Profile client(Party::kClient), server(Party::kServer);
    std::thread serving([&, end = server_end.get()] {
        ServerInference(model, *end, SecretSeed::generate(), nullptr, &server)
            .run(end->receive(transport::MessageType::kStart));
    });
    const ClientModel known = flash::testing::client_model(model);
    const ClientResult result =
        ClientInference(known, *client_end, SecretSeed::generate(), nullptr, &client).run(input, 0);
    serving.join();

    const int layers = static_cast<int>(model.architecture().layers.size());
    const Bytes up = total(client, layers), down = total(server, layers);
    EXPECT_EQ(up.sent, client_end->traffic().bytes_sent);
    EXPECT_EQ(up.received, client_end->traffic().bytes_received);
    EXPECT_EQ(down.sent, server_end->traffic().bytes_sent);
    EXPECT_EQ(down.received, server_end->traffic().bytes_received);
    EXPECT_EQ(up.phases,
              (std::set<Phase>{Phase::kSetup, Phase::kShare, Phase::kEncrypt, Phase::kSend, Phase::kWaitLinear,
                               Phase::kDecrypt, Phase::kPrepare, Phase::kWaitKeys, Phase::kRespond, Phase::kFinish}));
    EXPECT_EQ(down.phases,
              (std::set<Phase>{Phase::kSetup, Phase::kSend, Phase::kWaitUpload, Phase::kLinear, Phase::kMask,
                               Phase::kDecrypt, Phase::kActivationKeys, Phase::kWaitProduct, Phase::kFinish}));

    const PhaseSeconds& s = result.seconds;
    EXPECT_EQ(s.total, wall_seconds(client));
    EXPECT_GT(s.encrypt, 0);
    // The thread that waits for messages does nothing else.
    EXPECT_LE(s.setup + s.wait_linear + s.wait_keys, s.total + 1e-9);
}

TEST(InferenceProfile, TheSummaryNeedsNoProfileOfTheCallers) {
    const flash::testing::SourcedModel model(flash::testing::random_model(5));
    const auto run = flash::testing::run_privately(model, flash::testing::random_input(model.architecture(), 6));
    EXPECT_GT(run.client.seconds.total, 0);
    EXPECT_GT(run.client.seconds.encrypt, 0);
}

}  // namespace
}  // namespace flash::protocol
