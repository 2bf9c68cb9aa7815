// Networks whose keys have levels: exact against the twin, and nothing under a key depends on what was answered under
// it. Mostly with an activation in clear text, so that this is about the linear layers alone.
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "packing/levels.h"
#include "protocol/activation/clear_activation.h"
#include "protocol/message_types.h"
#include "support/private_run.h"
#include "support/random_model.h"

namespace flash::protocol {
namespace {

using flash::testing::SourcedModel;
using transport::Message;

// As in inference_test.
constexpr double kOneUnit = 1.0 + 1.0 / 32 + 7 * 0.042;

SourcedModel sourced(model::Model model) {
    auto activation = std::make_shared<flash::testing::ClearActivation>(model.architecture);
    return SourcedModel(std::move(model), std::move(activation));
}

TEST(Levels, RandomNetworksMatchTheTwinInAllSlots) {
    std::uint64_t seed = 0;
    std::size_t keys = 0;
    for (const model::SlotChoice slots : {model::SlotChoice{8192, 1}, {8192, 2}, {8192, 3}, {16384, 6}})
        for (const bool trust_server : {false, true})
            for (int i = 0; i < 3; ++i) {
                SCOPED_TRACE(++seed);
                flash::testing::RandomModelOptions options;
                options.slots = slots;
                options.trust_server = trust_server;
                options.plain_bits = i == 0 ? 24 : 26;
                options.share_bits = i == 0 ? 9 : 10;
                options.max_extent = i == 2 ? 60 : 14;  // bands
                const SourcedModel model = sourced(flash::testing::random_model(seed, options));
                ASSERT_EQ(model.plan().has_levels(), !trust_server);
                const auto run =
                    flash::testing::run_privately(model, flash::testing::random_input(model.architecture(), seed));
                EXPECT_LT(run.audit.largest_error(), kOneUnit);
                EXPECT_EQ(run.audit.wrong_activations(), 0);
                EXPECT_EQ(run.audit.out_of_range(), 0);
                EXPECT_EQ(run.traffic.bytes_sent, model.cost().up());
                EXPECT_EQ(run.traffic.bytes_received, model.cost().down());
                EXPECT_EQ(run.client.round_trips, static_cast<int>(model.architecture().layers.size()));
                if (!trust_server) keys += model.plan().keys().size();
            }
    EXPECT_GT(keys, 40u);
}

TEST(Levels, WithTheActivationOfTheSlotsToo) {
    std::uint64_t seed = 60;
    for (const model::SlotChoice slots : {model::SlotChoice{4096, 1}, {8192, 2}, {8192, 3}, {16384, 6}, {16384, 7}}) {
        SCOPED_TRACE(slots.moduli);
        flash::testing::RandomModelOptions options;
        options.slots = slots;
        options.plain_bits = 24;
        options.share_bits = 9;
        const SourcedModel model(flash::testing::random_model(++seed, options));
        const auto run = flash::testing::run_privately(model, flash::testing::random_input(model.architecture(), seed));
        EXPECT_LT(run.audit.largest_error(), kOneUnit);
        EXPECT_EQ(run.audit.wrong_activations(), 0);
        EXPECT_EQ(run.audit.out_of_range(), 0);
        EXPECT_EQ(run.traffic.bytes_sent, model.cost().up());
        EXPECT_EQ(run.traffic.bytes_received, model.cost().down());
    }
}

/// What the client sends of its keys and shares, on fixed seeds, when the server's linear responses of one layer are
/// changed on their way.
struct Sent {
    std::vector<std::uint8_t> start;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<std::uint8_t>> uploads;  // by layer and index
};
Sent sent_when_changed(const SourcedModel& model, int layer) {
    Sent sent;
    std::mutex mutex;
    transport::LoopbackOptions options;
    options.first_to_second = [&](Message message) {
        const std::lock_guard lock(mutex);
        if (message.type == message_type::kStart) sent.start = message.payload;
        if (message.type == message_type::kUpload) sent.uploads[{message.layer, message.index}] = message.payload;
        return std::optional<Message>(std::move(message));
    };
    options.second_to_first = [layer](Message message) {
        if (message.type == message_type::kLinearResponse && static_cast<int>(message.layer) == layer)
            for (std::uint8_t& byte : message.payload) byte ^= 0x5a;
        return std::optional<Message>(std::move(message));
    };
    flash::testing::run_without_audit(model, flash::testing::random_input(model.architecture(), 7), 21, 22,
                                      std::move(options));
    return sent;
}

TEST(Levels, WhatIsAnsweredAtADepthChangesNothingUnderItsKeys) {
    int changed = 0;
    for (std::uint64_t seed = 40; seed < 44; ++seed) {
        flash::testing::RandomModelOptions options;
        options.slots = {8192, 3};
        options.plain_bits = 24;
        options.share_bits = 9;
        const SourcedModel model = sourced(flash::testing::random_model(seed, options));
        const packing::Plan& plan = model.plan();
        const Sent honest = sent_when_changed(model, -1);
        for (int layer = 0; layer + 1 < static_cast<int>(plan.layers.size()); ++layer) {
            SCOPED_TRACE(layer);
            const Sent other = sent_when_changed(model, layer);
            EXPECT_EQ(other.start, honest.start);
            ASSERT_EQ(other.uploads.size(), honest.uploads.size());
            for (const auto& [place, payload] : honest.uploads) {
                if (plan.layers[place.first].depth <= plan.layers[static_cast<std::size_t>(layer)].depth)
                    EXPECT_EQ(other.uploads.at(place), payload);
                else
                    changed += other.uploads.at(place) != payload;
            }
        }
    }
    EXPECT_GT(changed, 20) << "the shares do depend on the responses";
}

TEST(Levels, TwoInferencesShareNoKey) {
    flash::testing::RandomModelOptions options;
    options.slots = {8192, 2};
    const SourcedModel model = sourced(flash::testing::random_model(3, options));
    const auto start_of = [&](std::uint64_t client_seed) {
        std::vector<std::uint8_t> start;
        transport::LoopbackOptions connection;
        connection.first_to_second = [&](Message message) {
            if (message.type == message_type::kStart) start = message.payload;
            return std::optional<Message>(std::move(message));
        };
        flash::testing::run_without_audit(model, flash::testing::random_input(model.architecture(), 7), client_seed, 22,
                                          std::move(connection));
        return start;
    };
    std::set<std::vector<std::uint8_t>> pieces;
    std::size_t count = 0;
    for (const std::uint64_t client_seed : {1, 2}) {
        const auto start = start_of(client_seed);
        ASSERT_GT(start.size(), 3u * 2048);
        for (std::size_t at = 0; at + 32 <= start.size(); at += 32, ++count)
            pieces.insert({start.begin() + static_cast<std::ptrdiff_t>(at),
                           start.begin() + static_cast<std::ptrdiff_t>(at) + 32});
    }
    // All but the words at the end, which the activation in clear text sends.
    EXPECT_GE(pieces.size() + 1, count);
}

}  // namespace
}  // namespace flash::protocol
