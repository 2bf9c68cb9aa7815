// The first messages of a session: versions, fingerprints and architectures that a party refuses, each with a reason,
// and before it has sent anything of its own.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <random>
#include <set>
#include <stop_token>
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

TEST(Handshake, AClientThatIsCancelledLeaves) {
    transport::LoopbackOptions patient;
    patient.limits.timeout = 60s;
    auto [client_end, server_end] = transport::make_loopback(patient);
    std::stop_source source;
    const auto begin = std::chrono::steady_clock::now();
    auto silent = std::async(std::launch::async, [&] {
        server_end->receive(message_type::kClientHello);
        source.request_stop();
    });
    try {
        const ClientSession session(std::move(client_end), {}, source.get_token());
        ADD_FAILURE() << "it took nothing for a handshake";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kCancelled) << error.what();
    }
    silent.get();
    try {
        server_end->receive(message_type::kStart);
        ADD_FAILURE() << "the client has not left";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kRemote) << error.what();
        EXPECT_NE(std::string(error.what()).find("the client left during the handshake"), std::string::npos)
            << error.what();
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
}

TEST(Handshake, WhatTheServerHasEndedTakesNoInference) {
    auto [client_end, server_end] = transport::make_loopback(quick());
    auto served = std::async(std::launch::async, [end = std::move(server_end)] {
        ServerSessionOptions options;
        options.first_timeout = options.idle_timeout = 200ms;
        serve_session(small_model(), *end, options);
    });
    ClientSession session(std::move(client_end));
    EXPECT_THROW(served.get(), Error);  // nothing was asked
    try {
        session.infer_integers(flash::testing::random_input(small_model().architecture(), 1));
        ADD_FAILURE() << "the server has ended the session";
    } catch (const SessionOver& over) {
        EXPECT_NE(std::string(over.what()).find("the client was idle for too long"), std::string::npos) << over.what();
    }
    EXPECT_TRUE(session.is_over());
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
