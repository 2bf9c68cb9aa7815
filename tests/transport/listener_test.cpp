// The server's doors: shortage of descriptors and limits per address.
#include "transport/listener.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "echo_server.h"
#include "helpers.h"
#include "raw_peer.h"
#include "support/few_descriptors.h"
#include "support/sanitized.h"

namespace flash::transport {
namespace {

using namespace std::chrono_literals;
using flash::testing::FewDescriptors;
using testing::EchoServer;
using testing::expect_error;
using testing::message;
using testing::quick_limits;
using testing::RawSocket;

TEST(Listener, OutOfDescriptorsTurnsAwayAndGoesOn) {
    if (flash::testing::kSanitized) GTEST_SKIP() << "a sanitizer needs descriptors itself";
    BoundSocket socket({"127.0.0.1", 0});
    Listener listener(socket);
    std::atomic<int> taken{0};
    listener.start([&](int taken_socket, const sockaddr_storage&) {
        ++taken;
        ::close(taken_socket);
    });
    {
        auto early = RawSocket::connect(listener.address().port);
        EXPECT_TRUE(early.closed_by_peer());
        // One descriptor is left, for this test's own socket.
        const FewDescriptors few(1);
        auto starved = RawSocket::connect(listener.address().port);
        EXPECT_TRUE(starved.closed_by_peer());  // by its reserve, at once
    }
    EXPECT_EQ(taken, 1);
    // It is counted once it is closed.
    for (int i = 0; i < 500 && listener.starved() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_GE(listener.starved(), 1u);
    auto late = RawSocket::connect(listener.address().port);
    EXPECT_TRUE(late.closed_by_peer());
    EXPECT_EQ(taken, 2);
}

TEST(Listener, WhatItsUserThrowsCostsOneConnection) {
    BoundSocket socket({"127.0.0.1", 0});
    Listener listener(socket);
    std::atomic<int> taken{0};
    listener.start([&](int taken_socket, const sockaddr_storage&) {
        if (taken++ == 0) throw std::bad_alloc();
        ::close(taken_socket);
    });
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(RawSocket::connect(listener.address().port).closed_by_peer());
    EXPECT_EQ(taken, 3);
    EXPECT_EQ(listener.starved(), 1u);
}

ServerOptions options_with(std::size_t sessions, std::size_t per_address, std::size_t handshakes) {
    ServerOptions options;
    options.listen = {"", 0};
    options.limits = quick_limits(2s);
    options.max_sessions = sessions;
    options.max_sessions_per_address = per_address;
    options.max_handshakes_per_address = handshakes;
    options.handshake_timeout = 10s;
    return options;
}

void echo_once(std::unique_ptr<Channel> channel, const Peer&) {
    channel->send(channel->receive_any(20s));  // a busy machine takes its time for seventy handshakes
    channel->receive(some_type::kFinish);
}

/// From another address than 127.0.0.1, as an attacker and an honest client have different ones.
std::unique_ptr<Channel> connect_v6(const EchoServer& server) {
    ClientOptions options = server.client_options();
    options.host = "::1";
    return connect_tls(options);
}

TEST(Doors, SilentHandshakesOfOneAddressHinderNoOther) {
    EchoServer server(options_with(2, 1, 8), echo_once);
    std::vector<RawSocket> silent;
    for (int i = 0; i < 200; ++i) {
        silent.push_back(RawSocket::connect(server.port()));
        if (i % 2 == 0) silent.back().write(std::string("\x16\x03\x01"));
    }
    const auto begin = std::chrono::steady_clock::now();
    const auto honest = connect_v6(server);
    honest->send(message(some_type::kStart, 10));
    EXPECT_EQ(honest->receive(some_type::kStart).payload.size(), 10u);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
    EXPECT_GE(server.server().counts().dropped, 190u);
    EXPECT_LE(server.server().sessions(), 1u);
}

TEST(Doors, SessionsOfOneAddressLeavePlacesToOthers) {
    EchoServer server(options_with(3, 2, 8), echo_once);
    const auto first = server.connect(), second = server.connect();
    for (const auto& channel : {first.get(), second.get()}) {
        channel->send(message(some_type::kStart, 1));
        channel->receive(some_type::kStart);
    }
    const auto third = server.connect();
    expect_error(ErrorKind::kRemote, "it already serves 2 clients from this address; retry after 2 s",
                 [&] { third->receive(some_type::kStart); });
    const auto other = connect_v6(server);
    other->send(message(some_type::kStart, 1));
    EXPECT_EQ(other->receive(some_type::kStart).payload.size(), 1u);
    EXPECT_EQ(server.server().counts().refused, 1u);
}

TEST(Doors, FullOfHandshakesTheOldestGivesWay) {
    ServerOptions options = options_with(1, 0, 1'000);  // no limit of an address that matters
    EchoServer server(std::move(options), echo_once);
    std::vector<RawSocket> silent;
    for (int i = 0; i < 60; ++i) silent.push_back(RawSocket::connect(server.port()));
    for (int i = 0; i < 12; ++i) {
        const auto honest = connect_v6(server);
        honest->send(message(some_type::kStart, 1));
        EXPECT_EQ(honest->receive(some_type::kStart).payload.size(), 1u);
        honest->send(message(some_type::kFinish, 0));
        // There is one place, and the next client must find it free.
        for (int wait = 0; wait < 3000 && server.server().sessions() > 0; ++wait)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

TEST(Doors, FullOfQuestionsOverHttpTheOldestGivesWay) {
    /// Never has anything to say.
    class Silent final : public ByteSession {
        std::vector<std::uint8_t> take(std::span<const std::uint8_t>) override { return {}; }
        bool finished() const override { return false; }
    };
    ServerOptions options = options_with(1, 0, 1'000);
    options.http = [](const Peer&) { return std::make_unique<Silent>(); };
    EchoServer server(std::move(options), echo_once);
    std::vector<testing::RawTls> idle;
    for (int i = 0; i < 70; ++i) idle.push_back(testing::RawTls::connect(server.port(), TLS1_3_VERSION, "http/1.1"));
    const auto session = connect_v6(server);
    // A session is never what gives way.
    for (int i = 0; i < 70; ++i) idle.push_back(testing::RawTls::connect(server.port(), TLS1_3_VERSION, "http/1.1"));
    session->send(message(some_type::kStart, 1));
    EXPECT_EQ(session->receive(some_type::kStart).payload.size(), 1u);
}

}  // namespace
}  // namespace flash::transport
