// Messages that are truncated, padded, out of order, lost, of the wrong type or random, in both directions: the party
// that gets them ends with a clear error within its time limit; nothing crashes or hangs.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <set>
#include <thread>

#include "base/error.h"
#include "model/file.h"
#include "protocol/client_session.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "protocol/server_session.h"
#include "support/private_run.h"
#include "support/random_model.h"

namespace flash::protocol {
namespace {

using transport::Message;
using transport::MessageType;
using namespace std::chrono_literals;

const PreparedModel& small_model() {
    static const PreparedModel model(flash::testing::single_convolution({2, 9, 9}, 3, {3, 3, 1, 1, 1, 1, 1, 1}, 77));
    return model;
}

transport::LoopbackOptions quick() {
    transport::LoopbackOptions options;
    options.limits.timeout = 1000ms;  // long enough for a slow machine to answer in, short enough to wait for
    return options;
}

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
    const bool from_client = type == message_type::kStart || type == message_type::kUpload ||
                             type == message_type::kProductResponse || type == message_type::kFinish;
    (from_client ? options.first_to_second : options.second_to_first) = tap;
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
    for (int run = 0; run < 12; ++run) {
        const auto noise = [&rng, run](Message m) {
            if (static_cast<int>(m.type) % 4 == run % 4)
                for (auto& byte : m.payload) byte = static_cast<std::uint8_t>(rng());
            return std::optional<Message>(std::move(m));
        };
        transport::LoopbackOptions options = quick();
        (run % 2 ? options.first_to_second : options.second_to_first) = noise;
        try {
            flash::testing::run_without_audit(
                small_model(), flash::testing::random_input(small_model().architecture(), 1), 1, 2, std::move(options));
        } catch (const Error&) {}
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

// ------------------------------------------------------------------------------------------------------------
// handshakes

/// Serves one raw client; returns the error that the session ended with, if any.
std::optional<ErrorKind> session_with(const std::function<void(transport::Channel&)>& client,
                                      std::string* told = nullptr) {
    auto [client_end, server_end] = transport::make_loopback(quick());
    std::optional<ErrorKind> kind;
    std::thread server([&, end = server_end.get()] {
        ServerSessionOptions options;
        options.timeout = 300ms;
        options.idle_timeout = 600ms;
        try {
            serve_session(small_model(), *end, options);
        } catch (const Error& error) {
            kind = error.kind();
        }
    });
    try {
        client(*client_end);
    } catch (const Error& error) {
        if (told) *told = error.what();
    }
    client_end->close();
    server.join();
    return kind;
}

TEST(Handshake, WrongVersionIsNamed) {
    std::string told;
    const auto kind = session_with(
        [](transport::Channel& channel) {
            ClientHello hello;
            hello.version = 99;
            channel.send({message_type::kClientHello, 0, 0, encode(hello)});
            channel.receive(message_type::kServerHello);
        },
        &told);
    EXPECT_EQ(kind, ErrorKind::kProtocol);
    EXPECT_NE(told.find("version 99"), std::string::npos) << told;
}

TEST(Handshake, WrongFingerprintIsNamed) {
    std::string told;
    const auto kind = session_with(
        [](transport::Channel& channel) {
            ClientHello hello;
            hello.expected_fingerprint.fill(1);
            channel.send({message_type::kClientHello, 0, 0, encode(hello)});
            channel.receive(message_type::kServerHello);
        },
        &told);
    EXPECT_EQ(kind, ErrorKind::kProtocol);
    EXPECT_NE(told.find("fingerprint"), std::string::npos) << told;
}

TEST(Handshake, GarbageAndSilence) {
    EXPECT_EQ(session_with([](transport::Channel& c) {
                  c.send({message_type::kClientHello, 0, 0, {1, 2, 3}});
                  c.receive(message_type::kServerHello);
              }),
              ErrorKind::kProtocol);
    EXPECT_EQ(session_with([](transport::Channel& c) {
                  c.send({message_type::kClientHello, 0, 0, std::vector<std::uint8_t>(64, 7)});
                  c.receive(message_type::kServerHello);
              }),
              ErrorKind::kProtocol);
    EXPECT_EQ(session_with([](transport::Channel&) { std::this_thread::sleep_for(500ms); }), ErrorKind::kTimeout);
}

TEST(Handshake, AnInferenceMustStartWithTheNextNumber) {
    const auto greet = [](transport::Channel& c) {
        c.send({message_type::kClientHello, 0, 0, encode(ClientHello{})});
        c.receive(message_type::kServerHello);
    };
    const std::vector<std::uint8_t> key(start_bytes(small_model().plan()) + small_model().activation().sizes().start);
    EXPECT_EQ(session_with([&](transport::Channel& c) {
                  greet(c);
                  c.send({message_type::kStart, 0, 1, key});
                  c.receive(message_type::kStartReply);
              }),
              ErrorKind::kProtocol);
    EXPECT_EQ(session_with([&](transport::Channel& c) {
                  greet(c);
                  c.send({message_type::kUpload, 0, 0, key});
                  c.receive(message_type::kStartReply);
              }),
              ErrorKind::kProtocol);
    for (std::size_t size : {key.size() - 1, key.size() + 1, std::size_t{0}})
        EXPECT_EQ(session_with([&](transport::Channel& c) {
                      greet(c);
                      c.send({message_type::kStart, 0, 0, std::vector<std::uint8_t>(size)});
                      c.receive(message_type::kStartReply);
                  }),
                  ErrorKind::kProtocol);
    // A client that starts and then says nothing more.
    EXPECT_EQ(session_with([&](transport::Channel& c) {
                  greet(c);
                  c.send({message_type::kStart, 0, 0, key});
                  std::this_thread::sleep_for(600ms);
              }),
              ErrorKind::kTimeout);
    // A client that starts and goes away.
    EXPECT_EQ(session_with([&](transport::Channel& c) {
                  greet(c);
                  c.send({message_type::kStart, 0, 0, key});
              }),
              ErrorKind::kNetwork);
}

/// A client session against a server that answers the hello with these bytes.
std::optional<ErrorKind> client_with(const std::vector<std::uint8_t>& server_hello) {
    auto [client_end, server_end] = transport::make_loopback(quick());
    std::thread server([&, end = server_end.get()] {
        try {
            end->receive(message_type::kClientHello);
            end->send({message_type::kServerHello, 0, 0, server_hello});
            end->receive(message_type::kFinish);
        } catch (const Error&) {}
    });
    std::optional<ErrorKind> kind;
    try {
        ClientSessionOptions options;
        options.timeout = 300ms;
        ClientSession session(std::move(client_end), options);
    } catch (const Error& error) {
        kind = error.kind();
    }
    server.join();
    return kind;
}

TEST(Handshake, HostileArchitectures) {
    ServerHello hello;
    hello.secret_digest = small_model().secret_digest();
    hello.architecture = model::serialize(small_model().architecture());
    hello.session = PublicSeed{};
    EXPECT_EQ(client_with(encode(hello)), std::nullopt);
    ServerHello newer = hello;
    newer.version = kProtocolVersion + 1;
    EXPECT_EQ(client_with(encode(newer)), ErrorKind::kProtocol);
    // Every truncation, and single bytes changed: refused with an Error, or a valid (other) architecture; never
    // anything else.
    std::mt19937_64 rng(9);
    const std::vector<std::uint8_t> good = encode(hello);
    for (std::size_t size = 0; size < good.size(); size += 7)
        EXPECT_EQ(client_with({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)}), ErrorKind::kProtocol);
    for (int i = 0; i < 300; ++i) {
        std::vector<std::uint8_t> bad = hello.architecture;
        for (int k = 0; k <= i % 3; ++k) bad[rng() % bad.size()] = static_cast<std::uint8_t>(rng());
        try {
            const model::Architecture architecture = model::parse_architecture(bad);
            packing::make_plan(architecture);
        } catch (const Error& error) {
            EXPECT_TRUE(error.kind() == ErrorKind::kProtocol || error.kind() == ErrorKind::kUnsupported)
                << error.what();
        }
    }
}

TEST(Handshake, RingsOutsideTheSecurityTableAreRefusedBeforeAnythingIsSent) {
    const model::Architecture good = small_model().architecture();
    std::vector<model::Architecture> hostile;
    // Rings of the linear layers that are in no table, or in another one.
    for (const int degree : {1, 512, 1023, 1536, 4096, 8192}) {
        hostile.push_back(good);
        hostile.back().layers.front().packing.degree = degree;
    }
    // Slots whose q would be too large for their degree, or that do not exist.
    for (const model::SlotChoice slots : {model::SlotChoice{4096, 2},
                                          {4096, 3},
                                          {8192, 4},
                                          {8192, 5},
                                          {8192, 7},
                                          {1024, 1},
                                          {2048, 1},
                                          {16384, 8},
                                          {32768, 1}}) {
        hostile.push_back(good);
        hostile.back().slots = slots;
        hostile.back().plain_bits = 28;
    }
    for (const model::Architecture& architecture : hostile) {
        SCOPED_TRACE(::testing::Message() << "degree " << architecture.layers.front().packing.degree << ", slots "
                                          << architecture.slots.degree << " x " << architecture.slots.moduli);
        transport::LoopbackOptions loopback = quick();
        std::vector<MessageType> sent;
        loopback.first_to_second = [&](Message message) {
            sent.push_back(message.type);
            return std::optional<Message>(std::move(message));
        };
        auto [client_end, server_end] = transport::make_loopback(std::move(loopback));
        std::thread server([end = server_end.get(), &architecture] {
            ServerHello hello;
            hello.architecture = model::serialize(architecture);
            hello.session = PublicSeed{};
            try {
                end->receive(message_type::kClientHello);
                end->send({message_type::kServerHello, 0, 0, encode(hello)});
                end->receive(message_type::kStart);
            } catch (const Error&) {}
        });
        try {
            ClientSession session(std::move(client_end));
            ADD_FAILURE() << "accepted";
        } catch (const Error& error) {
            EXPECT_TRUE(error.kind() == ErrorKind::kProtocol || error.kind() == ErrorKind::kUnsupported)
                << error.what();
        }
        server.join();
        ASSERT_FALSE(sent.empty());
        EXPECT_EQ(sent.front(), message_type::kClientHello);
        EXPECT_EQ(std::ranges::count(sent, message_type::kStart), 0);
    }
}

TEST(Handshake, AnArchitectureThatWouldFillTheMemoryIsRefused) {
    // A few hundred bytes: five layers of 2^26 values, all of which the last layer reads, so that the client would keep
    // its shares of all.
    model::Architecture large = small_model().architecture();
    large.preprocessing = {};
    large.classes = {};
    large.input = {1, 32, 32};
    model::Layer last = large.layers.back(), wide = large.layers.front();
    wide.terms.resize(1);
    wide.terms[0] = model::Term{};
    wide.output = {65536, 32, 32};
    last.terms.clear();
    last.output = {1, 32, 32};
    large.layers.clear();
    for (int i = 1; i <= 5; ++i) {
        large.layers.push_back(wide);
        last.terms.push_back({});
        last.terms.back().source = i;
    }
    large.layers.push_back(last);
    ASSERT_NO_THROW(model::validate(large));
    ServerHello hello;
    hello.architecture = model::serialize(large);
    hello.session = PublicSeed{};
    EXPECT_EQ(client_with(encode(hello)), ErrorKind::kUnsupported);
}

TEST(Handshake, ASessionServesManyInferencesAndSurvivesItsNeighbours) {
    // One client breaks the protocol in the middle while another one works.
    const auto input = flash::testing::random_input(small_model().architecture(), 4);
    std::thread bad([&] {
        for (int i = 0; i < 5; ++i)
            session_with([&](transport::Channel& c) {
                c.send({message_type::kClientHello, 0, 0, encode(ClientHello{})});
                c.receive(message_type::kServerHello);
                c.send({message_type::kStart, 0, 0,
                        std::vector<std::uint8_t>(start_bytes(small_model().plan()) +
                                                  small_model().activation().sizes().start)});
                c.send({message_type::kUpload, 0, 0, {1}});
                c.receive(message_type::kLinearResponse);
            });
    });
    auto [client_end, server_end] = transport::make_loopback();
    std::thread server([&, end = server_end.get()] { EXPECT_EQ(serve_session(small_model(), *end).inferences, 4u); });
    {
        ClientSession client(std::move(client_end));
        const auto first = client.infer_integers(input).x;
        for (int i = 0; i < 3; ++i) {
            const auto again = client.infer_integers(input).x;
            ASSERT_EQ(first.size(), again.size());
        }
    }
    server.join();
    bad.join();
}

}  // namespace
}  // namespace flash::protocol
