// A server that guards its model: no chunk of vectors serves two layers, and the vectors of a layer leave when all
// answers of the layers before it have come. The extraction that needs a later layer's vectors has nothing to add then.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <mutex>
#include <thread>

#include "protocol/client_session.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "protocol/server_session.h"
#include "support/private_run.h"
#include "support/random_model.h"

namespace flash::protocol {
namespace {

using flash::testing::SourcedModel;
using transport::Message;

SourcedModel model_of(std::uint64_t seed, bool guarded, int max_extent = 60) {
    flash::testing::RandomModelOptions options;
    options.slots = {8192, 2};
    options.plain_bits = 24;
    options.share_bits = 9;
    options.max_extent = max_extent;  // layers of several chunks, and small ones
    model::Model model = flash::testing::random_model(seed, options);
    auto activation = make_activation(model.architecture, guarded);
    return SourcedModel(std::move(model), std::move(activation));
}

/// Messages of vectors that left before an answer to a layer before theirs had come, and chunks that two layers share.
struct Exposed {
    int early = 0, shared = 0;
};

/// One honest inference, each message of the client's held back a little, so that a server that may run ahead does.
Exposed exposed(const SourcedModel& model) {
    Exposed result;
    const Activation& activation = model.activation();
    std::mutex mutex;
    std::map<int, std::size_t> answers;  // that have reached the server, by layer
    transport::LoopbackOptions options;
    options.first_to_second = [&](Message message) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        const std::lock_guard lock(mutex);
        if (message.type == message_type::kProductResponse) ++answers[static_cast<int>(message.layer)];
        return std::optional<Message>(std::move(message));
    };
    options.second_to_first = [&](Message message) {
        const std::lock_guard lock(mutex);
        if (message.type == message_type::kServerVectors)
            for (int l = 0; l < static_cast<int>(message.layer); ++l) result.early += answers[l] < activation.chunks(l);
        return std::optional<Message>(std::move(message));
    };
    const auto run = flash::testing::run_privately(model, flash::testing::random_input(model.architecture(), 3), 0, 0,
                                                   std::move(options));
    EXPECT_EQ(run.audit.wrong_activations(), 0);
    EXPECT_EQ(run.audit.out_of_range(), 0);
    EXPECT_EQ(run.traffic.bytes_received, model.cost().down());
    EXPECT_EQ(run.traffic.bytes_sent, model.cost().up());
    EXPECT_EQ(run.client.round_trips, static_cast<int>(model.architecture().layers.size()));
    for (int l = 1; l < activation.layers(); ++l)
        if (activation.chunks(l) > 0) result.shared += activation.first_vectors(l) < activation.vectors_end(l - 1);
    return result;
}

TEST(Guard, VectorsLeaveAfterTheAnswersOfAllLayersBefore) {
    Exposed without;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        SCOPED_TRACE(seed);
        const Exposed guarded = exposed(model_of(seed, true));
        EXPECT_EQ(guarded.early, 0);
        EXPECT_EQ(guarded.shared, 0);
        const Exposed open = exposed(model_of(seed, false));
        without.early += open.early;
        without.shared += open.shared;
    }
    // The control: a server that does not guard its model runs ahead, and small layers share chunks.
    EXPECT_GT(without.early, 4);
    EXPECT_GT(without.shared, 4);
}

/// The guard is the server's choice, told in its hello; the client lays out its slots by it.
TEST(Guard, SessionsAgreeOnIt) {
    for (const bool guarded : {false, true}) {
        const SourcedModel model = model_of(7, guarded, 14);
        auto [client_end, server_end] = transport::make_loopback();
        std::thread server([&, end = server_end.get()] { serve_session(model, *end); });
        {
            ClientSession client(std::move(client_end));
            EXPECT_EQ(client.model().activation->guarded(), guarded);
            EXPECT_EQ(client.model().cost.down(), model.cost().down());
            const auto input = flash::testing::random_input(model.architecture(), 4);
            EXPECT_EQ(client.infer_integers(input).x.size(),
                      static_cast<std::size_t>(model.architecture().output_shape().size()));
        }
        server.join();
    }
}

TEST(Guard, TheHelloTellsItInOneWay) {
    ServerHello hello;
    hello.architecture = {1, 2, 3};
    std::vector<std::uint8_t> bytes = encode(hello);
    EXPECT_FALSE(decode_server_hello(bytes).guarded);
    hello.guarded = true;
    bytes = encode(hello);
    EXPECT_TRUE(decode_server_hello(bytes).guarded);
    bytes[bytes.size() - 4 - sizeof(Epoch)] = 2;
    EXPECT_THROW(decode_server_hello(bytes), Error);
}

}  // namespace
}  // namespace flash::protocol
