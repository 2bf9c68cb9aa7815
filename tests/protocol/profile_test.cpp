// The profiles of both parties of one inference: every byte and every layer has its place.
#include "base/profile.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/error.h"
#include "protocol/local_parties.h"
#include "protocol/message_types.h"
#include "protocol/steps.h"
#include "support/private_run.h"
#include "support/random_model.h"

namespace flash::protocol {
namespace {

struct Bytes {
    std::uint64_t sent = 0, received = 0;
    std::set<Step> steps;
};

Bytes total(const Profile& profile, int layers) {
    Bytes sum;
    for (const ProfileEntry& entry : summarise(profile)) {
        sum.sent += entry.bytes_sent;
        sum.received += entry.bytes_received;
        sum.steps.insert(entry.step);
        EXPECT_LT(entry.layer, layers);
        EXPECT_GE(entry.seconds, -1e-9) << name_of(entry.step);
    }
    return sum;
}

TEST(InferenceProfile, HasEveryByteOfBothParties) {
    const PreparedModel model(flash::testing::random_model(5));
    const auto input = flash::testing::random_input(model.architecture(), 6);
    Profile client(Party::kClient), server(Party::kServer);
    const LocalResult run =
        run_local(model, client_model(model), input, {.client_profile = &client, .server_profile = &server});

    const int layers = static_cast<int>(model.architecture().layers.size());
    const Bytes up = total(client, layers), down = total(server, layers);
    EXPECT_EQ(up.sent, run.traffic.bytes_sent);
    EXPECT_EQ(up.received, run.traffic.bytes_received);
    EXPECT_EQ(down.sent, run.traffic.bytes_received);
    EXPECT_EQ(down.received, run.traffic.bytes_sent);
    EXPECT_EQ(up.steps,
              (std::set<Step>{step::kSetup, step::kPrepareUpload, step::kEncrypt, step::kSend, step::kWaitLinear,
                              step::kDecrypt, step::kPrepare, step::kWaitVectors, step::kRespond, step::kFinish}));
    EXPECT_EQ(down.steps, (std::set<Step>{step::kSetup, step::kSend, step::kWaitUpload, step::kLinear, step::kMask,
                                          step::kDecrypt, step::kServerVectors, step::kWaitProduct, step::kFinish}));

    const StepSeconds& s = run.client.seconds;
    EXPECT_EQ(s.total, wall_seconds(client));
    EXPECT_GT(s.encrypt, 0);
    // The thread that waits for messages does nothing else.
    EXPECT_LE(s.setup + s.wait_linear + s.wait_vectors, s.total + 1e-9);
}

TEST(InferenceProfile, TheSummaryNeedsNoProfileOfTheCallers) {
    const flash::testing::SourcedModel model(flash::testing::random_model(5));
    const auto run = flash::testing::run_privately(model, flash::testing::random_input(model.architecture(), 6));
    EXPECT_GT(run.client.seconds.total, 0);
    EXPECT_GT(run.client.seconds.encrypt, 0);
}

TEST(Steps, HaveNames) {
    std::set<std::string> names;
    int waiting = 0;
    for (int s = 0; s < kSteps; ++s) {
        names.insert(name_of(static_cast<Step>(s)));
        waiting += is_waiting(static_cast<Step>(s));
    }
    EXPECT_EQ(names.size(), static_cast<std::size_t>(kSteps));
    EXPECT_EQ(waiting, 4);
    EXPECT_EQ(static_cast<int>(step::kFinish) + 1, kSteps);
    EXPECT_THROW(name_of(static_cast<Step>(kSteps)), Error);
}

TEST(MessageTypes, HaveNames) {
    std::set<std::string> names;
    for (std::uint16_t type = 0; type < 100; ++type) {
        const std::string name = name_of(static_cast<transport::MessageType>(type));
        EXPECT_EQ(transport::is_known(type), name != "unknown") << type;
        names.insert(name);
    }
    EXPECT_EQ(names.size(), std::size_t{transport::kMessageTypes});
}

}  // namespace
}  // namespace flash::protocol
