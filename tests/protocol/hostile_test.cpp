// Messages that are truncated, padded, out of order, lost, of the wrong type or random, in both directions: the party
// that gets them ends with a clear error within its time limit; nothing crashes or hangs.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <random>
#include <set>
#include <thread>

#include "base/error.h"
#include "model/file.h"
#include "protocol/client_session.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "protocol/server_session.h"
#include "quick_server.h"
#include "support/private_run.h"

namespace flash::protocol {
namespace {

using transport::Message;
using transport::MessageType;

enum class Attack { kTruncate, kPad, kEmpty, kIndex, kLayer, kDrop, kType };
constexpr Attack kAttacks[] = {Attack::kTruncate, Attack::kPad,  Attack::kEmpty, Attack::kIndex,
                               Attack::kLayer,    Attack::kDrop, Attack::kType};

std::optional<Message> attacked(Message message, Attack attack) {
    switch (attack) {
        case Attack::kTruncate: message.payload.resize(message.payload.size() / 2); break;
        case Attack::kPad: message.payload.push_back(0); break;
        case Attack::kEmpty: message.payload.clear(); break;
        case Attack::kIndex: message.index += 1; break;
        case Attack::kLayer: message.layer += 1; break;
        case Attack::kDrop: return std::nullopt;
        case Attack::kType: message.type = message_type::kClientHello; break;
    }
    return message;
}

bool is_the_clients(MessageType type) {
    return type == message_type::kStart || type == message_type::kUpload || type == message_type::kProductResponse ||
           type == message_type::kFinish;
}

/// Runs an inference in which the first message of one type is tampered with; true if some party reported an Error.
bool fails_cleanly(MessageType type, Attack attack) {
    bool done = false;
    const auto tap = [&](Message m) {
        if (m.type == type && !done) {
            done = true;
            return attacked(std::move(m), attack);
        }
        return std::optional<Message>(std::move(m));
    };
    transport::LoopbackOptions options = quick();
    (is_the_clients(type) ? options.first_to_second : options.second_to_first) = tap;
    const auto input = flash::testing::random_input(small_model().architecture(), 1);
    const auto begin = std::chrono::steady_clock::now();
    bool failed = false;
    try {
        flash::testing::run_without_audit(small_model(), input, 1, 2, std::move(options));
    } catch (const Error& error) {
        failed = true;
        EXPECT_STRNE(error.what(), "");
    }
    EXPECT_TRUE(done) << "the message to tamper with was never sent";
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
    return failed;
}

TEST(HostilePeer, TamperedMessagesFromTheServer) {
    for (const MessageType type : {message_type::kStartReply, message_type::kLinearResponse,
                                   message_type::kServerVectors, message_type::kResultShare})
        for (const Attack attack : kAttacks)
            EXPECT_TRUE(fails_cleanly(type, attack)) << name_of(type) << ", attack " << static_cast<int>(attack);
}

TEST(HostilePeer, TamperedMessagesFromTheClient) {
    for (const MessageType type :
         {message_type::kStart, message_type::kUpload, message_type::kProductResponse, message_type::kFinish})
        for (const Attack attack : kAttacks) {
            if (type == message_type::kFinish && (attack == Attack::kTruncate || attack == Attack::kEmpty))
                continue;  // it is empty
            if (type == message_type::kStart && (attack == Attack::kLayer || attack == Attack::kIndex))
                continue;  // see the session tests
            EXPECT_TRUE(fails_cleanly(type, attack)) << name_of(type) << ", attack " << static_cast<int>(attack);
        }
}

TEST(HostilePeer, ReorderedMessages) {
    // Uploads 0 and 1 change places. (The model sends several.)
    std::optional<Message> held;
    transport::LoopbackOptions options = quick();
    const PreparedModel model(flash::testing::single_convolution({60, 9, 9}, 3, {3, 3, 1, 1, 1, 1, 1, 1}, 78));
    int swapped = 0;
    options.first_to_second = [&](Message m) -> std::optional<Message> {
        if (m.type == message_type::kUpload && m.layer == 0 && m.index <= 1) {
            ++swapped;
            m.index = 1 - m.index;
        }
        return m;
    };
    EXPECT_THROW(flash::testing::run_without_audit(model, flash::testing::random_input(model.architecture(), 1), 1, 2,
                                                   std::move(options)),
                 Error);
    EXPECT_GE(swapped, 1);
}

TEST(HostilePeer, RandomContentOfTheRightSizeNeverCrashes) {
    std::mt19937_64 rng(5);
    for (const MessageType type :
         {message_type::kStart, message_type::kUpload, message_type::kProductResponse, message_type::kStartReply,
          message_type::kLinearResponse, message_type::kServerVectors, message_type::kResultShare})
        for (int run = 0; run < 3; ++run) {
            std::size_t changed = 0;  // bytes; by one party's thread
            const auto noise = [&rng, &changed, type](Message m) {
                if (m.type == type) {
                    for (auto& byte : m.payload) byte = static_cast<std::uint8_t>(rng());
                    changed += m.payload.size();
                }
                return std::optional<Message>(std::move(m));
            };
            transport::LoopbackOptions options = quick();
            (is_the_clients(type) ? options.first_to_second : options.second_to_first) = noise;
            try {
                flash::testing::run_without_audit(small_model(),
                                                  flash::testing::random_input(small_model().architecture(), 1), 1, 2,
                                                  std::move(options));
            } catch (const Error&) {}  // or an answer that means nothing
            EXPECT_GT(changed, 0u) << name_of(type);
        }
}

TEST(HostilePeer, MalformedKeysEndTheInferenceWhileMoreAreAwaited) {
    // Two chunks of activations. The keys of the first hold a coefficient that is not below its prime, those of the
    // second never come: the client must not wait for them, and must say what was wrong.
    const PreparedModel model(flash::testing::single_convolution({2, 40, 40}, 12, {3, 3, 1, 1, 1, 1, 1, 1}, 79));
    ASSERT_GT(model.architecture().layers[0].output.size(),
              static_cast<std::int64_t>(model.cost().activation.values_per_chunk));
    transport::LoopbackOptions options;
    options.limits.timeout = 60s;  // of the client
    options.second_to_first = [](Message m) -> std::optional<Message> {
        if (m.type != message_type::kServerVectors || m.layer != 0) return m;
        if (m.index > 0) return std::nullopt;
        std::ranges::fill(m.payload, std::uint8_t{0xff});
        return m;
    };
    auto [client_end, server_end] = transport::make_loopback(std::move(options));
    ErrorKind told{};
    std::string sentence;
    std::thread server([&, end = server_end.get()] {
        ServerSessionOptions server_options;
        server_options.timeout = 5s;  // the server gives up first if the client says nothing
        try {
            serve_session(model, *end, server_options);
        } catch (const Error& error) {
            told = error.kind();
            sentence = error.what();
        }
    });
    try {
        ClientSessionOptions client_options;
        client_options.timeout = 60s;
        ClientSession client(std::move(client_end), client_options);
        client.infer_integers(flash::testing::random_input(model.architecture(), 1));
        ADD_FAILURE() << "the malformed keys were accepted";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kProtocol) << error.what();
        EXPECT_NE(std::string(error.what()).find("outside its modulus"), std::string::npos) << error.what();
    }
    server.join();
    EXPECT_EQ(told, ErrorKind::kRemote) << sentence;
    EXPECT_NE(sentence.find("outside its modulus"), std::string::npos) << sentence;
}

TEST(HostilePeer, AMalformedAnswerEndsTheInferenceWhileMoreAreAwaited) {
    // The same the other way: the first answer is malformed, the second never comes.
    const PreparedModel model(flash::testing::single_convolution({2, 40, 40}, 12, {3, 3, 1, 1, 1, 1, 1, 1}, 79));
    transport::LoopbackOptions options;
    options.limits.timeout = 60s;
    options.first_to_second = [](Message m) -> std::optional<Message> {
        if (m.type != message_type::kProductResponse || m.layer != 0) return m;
        if (m.index > 0) return std::nullopt;
        std::ranges::fill(m.payload, std::uint8_t{0xff});
        return m;
    };
    auto [client_end, server_end] = transport::make_loopback(std::move(options));
    const auto begin = std::chrono::steady_clock::now();
    auto served = std::async(std::launch::async, [&, end = server_end.get()] {
        ServerSessionOptions server_options;
        server_options.timeout = 60s;
        serve_session(model, *end, server_options);
    });
    std::string told;
    try {
        ClientSessionOptions client_options;
        client_options.timeout = 60s;
        ClientSession client(std::move(client_end), client_options);
        client.infer_integers(flash::testing::random_input(model.architecture(), 1));
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kRemote) << error.what();
        told = error.what();
    }
    EXPECT_NE(told.find("outside its modulus"), std::string::npos) << told;
    try {
        served.get();
        ADD_FAILURE() << "the malformed answer was accepted";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kProtocol) << error.what();
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
}

}  // namespace
}  // namespace flash::protocol
