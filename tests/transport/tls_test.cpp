// The TLS transport between parties that keep the rules: delivery, limits, trust, closing.
#include "transport/tls.h"

#include <atomic>
#include <fstream>
#include <future>
#include <thread>

#include "echo_server.h"
#include "helpers.h"
#include "scratch.h"

namespace flash::transport {
namespace {

using namespace std::chrono_literals;
using testing::EchoServer;
using testing::expect_error;
using testing::expect_same;
using testing::message;
using testing::quick_limits;
using testing::Scratch;

TEST(Tls, CarriesMessagesOfEverySizeBothWays) {
    EchoServer echo(quick_limits(2s));
    const auto channel = echo.connect();
    std::uint64_t bytes = 0;
    const std::vector<std::size_t> sizes{0, 1, 15, 16, 17, 1000, 16384, 70'000, 300'000, std::size_t{4} << 20};
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        const Message sent = message(some_type::kUpload, sizes[i], 3, static_cast<std::uint32_t>(i));
        channel->send(sent);
        expect_same(channel->receive(some_type::kUpload), sent);
        bytes += kFrameHeaderBytes + sizes[i];
    }
    EXPECT_EQ(channel->traffic().bytes_sent, bytes);
    EXPECT_EQ(channel->traffic().bytes_received, bytes);
    EXPECT_EQ(channel->traffic().messages_sent, sizes.size());
    EXPECT_EQ(channel->traffic().messages_received, sizes.size());
}

TEST(Tls, PipelinesManySmallMessagesInOrder) {
    EchoServer echo(quick_limits(2s));
    const auto channel = echo.connect();
    constexpr std::uint32_t kCount = 5000;
    for (std::uint32_t i = 0; i < kCount; ++i) channel->send(message(some_type::kUpload, i % 50, 0, i));
    for (std::uint32_t i = 0; i < kCount; ++i) {
        const Message got = channel->receive(some_type::kUpload);
        ASSERT_EQ(got.index, i);
        ASSERT_EQ(got.payload.size(), i % 50);
    }
}

TEST(Tls, BackPressureBoundsTheSendQueueWithoutLosingData) {
    Limits limits = quick_limits(5s);
    limits.max_send_queue = 100'000;
    limits.max_queued = std::size_t{64} << 20;
    EchoServer echo(limits);
    auto options = echo.client_options();
    options.limits = limits;
    const auto channel = connect_tls(options);
    auto sending = std::async(std::launch::async, [&] {
        for (std::uint32_t i = 0; i < 100; ++i) channel->send(message(some_type::kUpload, 90'000, 0, i));
    });
    for (std::uint32_t i = 0; i < 100; ++i) EXPECT_EQ(channel->receive(some_type::kUpload).index, i);
    sending.get();
}

TEST(Tls, TryingToSendDoesNotWaitAndLosesNothing) {
    Limits limits = quick_limits(5s);
    limits.max_send_queue = 100'000;
    limits.max_queued = std::size_t{64} << 20;
    EchoServer echo(limits);
    auto options = echo.client_options();
    options.limits = limits;
    const auto channel = connect_tls(options);
    // Far more at once than the queue and the system take.
    std::uint32_t refused = 0, sent = 0;
    while (refused == 0 && sent < 1000) {
        Message one = message(some_type::kUpload, 90'000, 0, sent);
        if (channel->try_send(one)) {
            ++sent;
            continue;
        }
        ++refused;
        EXPECT_EQ(one.payload.size(), 90'000u);
    }
    EXPECT_EQ(refused, 1u);
    for (std::uint32_t i = 0; i < sent; ++i) EXPECT_EQ(channel->receive(some_type::kUpload).index, i);
}

TEST(Tls, ReceiveTimesOutAndTheChannelStaysUsable) {
    EchoServer echo(quick_limits(2s));
    auto options = echo.client_options();
    options.limits = quick_limits(100ms);
    const auto channel = connect_tls(options);
    expect_error(ErrorKind::kTimeout, "the server sent no type 5 message within 100 ms",
                 [&] { channel->receive(some_type::kStartReply); });
    channel->set_limits(quick_limits(2s));
    channel->send(message(some_type::kStart, 1));
    EXPECT_EQ(channel->receive(some_type::kStart).payload.size(), 1u);
}

TEST(Tls, ServesSeveralClientsAtOnce) {
    EchoServer echo(quick_limits(3s));
    std::vector<std::future<void>> clients;
    for (std::uint32_t c = 0; c < 6; ++c) {
        clients.push_back(std::async(std::launch::async, [&echo, c] {
            const auto channel = echo.connect();
            for (std::uint32_t i = 0; i < 20; ++i) {
                const Message sent = message(some_type::kUpload, 2000, c, i);
                channel->send(sent);
                expect_same(channel->receive(some_type::kUpload), sent);
            }
        }));
    }
    for (auto& client : clients) client.get();
}

TEST(Tls, RefusesMoreSessionsThanAllowedWithAReason) {
    EchoServer echo(quick_limits(3s), 1);
    auto first = echo.connect();
    first->send(message(some_type::kStart, 1));
    first->receive(some_type::kStart);
    const auto second = echo.connect();
    expect_error(ErrorKind::kRemote, "the server reported: the server is busy: it already serves 1 clients",
                 [&] { second->receive(some_type::kServerHello); });
    first->send(message(some_type::kFinish, 0));
    first.reset();
    for (int i = 0; i < 100 && echo.server().sessions() > 0; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_TRUE(echo.serves());
}

TEST(Tls, CloseDeliversWhatWasQueued) {
    ServerOptions options;
    options.limits = quick_limits(2s);
    EchoServer server(std::move(options), [](std::unique_ptr<Channel> channel, const Peer&) {
        for (std::uint32_t i = 0; i < 50; ++i) channel->send(message(some_type::kLinearResponse, 50'000, 0, i));
        channel->close();
    });
    const auto channel = server.connect();
    std::this_thread::sleep_for(50ms);
    for (std::uint32_t i = 0; i < 50; ++i) EXPECT_EQ(channel->receive(some_type::kLinearResponse).index, i);
    expect_error(ErrorKind::kNetwork, "the server closed the connection during the wait for its type 10 message",
                 [&] { channel->receive(some_type::kResultShare); });
    expect_error(ErrorKind::kNetwork, "the server closed the connection",
                 [&] { channel->send(message(some_type::kStart, 1)); });
}

TEST(Tls, FailTellsThePeerEvenWhileItIsSending) {
    ServerOptions options;
    options.limits = quick_limits(2s);
    EchoServer server(std::move(options), [](std::unique_ptr<Channel> channel, const Peer&) {
        channel->receive(some_type::kUpload);
        channel->fail("this model does not like you");
    });
    for (int round = 0; round < 5; ++round) {
        const auto channel = server.connect();
        expect_error(ErrorKind::kRemote, "this model does not like you", [&] {
            for (int i = 0; i < 2000; ++i) channel->send(message(some_type::kUpload, 100'000));
            channel->receive(some_type::kResultShare);
        });
        expect_error(ErrorKind::kRemote, "this model does not like you",
                     [&] { channel->receive(some_type::kResultShare); });
    }
}

TEST(Tls, ThisSideClosed) {
    EchoServer echo;
    const auto channel = echo.connect();
    channel->close();
    expect_error(ErrorKind::kNetwork, "this side has closed", [&] { channel->send(message(some_type::kStart, 1)); });
    expect_error(ErrorKind::kNetwork, "this side has closed", [&] { channel->receive(some_type::kStart); });
    channel->fail("too late");
    channel->close();
}

TEST(Tls, PinDecidesAlone) {
    EchoServer echo;
    auto options = echo.client_options();
    options.host = "localhost";
    EXPECT_NO_THROW(connect_tls(options));
    const std::string right = *options.pinned_fingerprint;
    options.pinned_fingerprint = "sha256:" + std::string(64, '0');
    expect_error(ErrorKind::kNetwork, "expected fingerprint sha256:0000", [&] { connect_tls(options); });
    expect_error(ErrorKind::kNetwork, "got " + right, [&] { connect_tls(options); });
    options.pinned_fingerprint = "sha256:123";
    expect_error(ErrorKind::kInvalidArgument, "64 hexadecimal digits", [&] { connect_tls(options); });
    EXPECT_TRUE(echo.serves());
}

TEST(Tls, CaFileChecksChainAndName) {
    EchoServer echo;
    const Scratch scratch;
    save_identity(testing::shared_identity(), scratch / "server.pem", scratch / "server.key");
    save_identity(make_self_signed({"localhost"}), scratch / "other.pem", scratch / "other.key");
    auto options = echo.client_options();
    options.pinned_fingerprint.reset();
    options.ca_file = scratch / "server.pem";
    for (const char* host : {"127.0.0.1", "localhost"}) {
        options.host = host;
        EXPECT_NO_THROW(connect_tls(options)) << host;
    }
    options.ca_file = scratch / "other.pem";
    expect_error(ErrorKind::kNetwork, "not trusted", [&] { connect_tls(options); });
    options.ca_file = scratch / "none.pem";
    expect_error(ErrorKind::kFile, "none.pem", [&] { connect_tls(options); });
    options.ca_file = scratch / "server.key";
    expect_error(ErrorKind::kFile, "server.key", [&] { connect_tls(options); });
}

TEST(Tls, CaFileRefusesAnotherHostName) {
    const Scratch scratch;
    const Identity identity = make_self_signed({"elsewhere.example"});
    save_identity(identity, scratch / "server.pem", scratch / "server.key");
    ServerOptions server_options;
    server_options.identity = load_identity(scratch / "server.pem", scratch / "server.key");
    TlsServer server(std::move(server_options), [](std::unique_ptr<Channel>, const Peer&) {});
    ClientOptions options;
    options.port = server.address().port;
    options.ca_file = scratch / "server.pem";
    for (const char* host : {"127.0.0.1", "localhost"}) {
        options.host = host;
        expect_error(ErrorKind::kNetwork, "does not name", [&] { connect_tls(options); });
    }
}

TEST(Tls, SystemTrustRefusesSelfSigned) {
    EchoServer echo;
    auto options = echo.client_options();
    options.pinned_fingerprint.reset();
    expect_error(ErrorKind::kNetwork, "self-signed certificate", [&] { connect_tls(options); });
    expect_error(ErrorKind::kNetwork, "--pin " + echo.server().fingerprint(), [&] { connect_tls(options); });
}

TEST(Tls, ListensWhereTold) {
    EchoServer echo;
    EXPECT_EQ(echo.server().address().host, "127.0.0.1");
    ServerOptions taken;
    taken.identity = testing::shared_identity();
    taken.listen = echo.server().address();
    const auto ignore = [](std::unique_ptr<Channel>, const Peer&) {};
    expect_error(ErrorKind::kNetwork, "cannot listen on 127.0.0.1:", [&] { TlsServer(std::move(taken), ignore); });
    ServerOptions everywhere;
    everywhere.listen = parse_address(":0");
    EchoServer open(std::move(everywhere), ignore);
    EXPECT_NO_THROW(open.connect());
}

TEST(Tls, AnAddressIsAskedForBeforeThereIsAnythingToServe) {
    const auto socket = std::make_shared<BoundSocket>(parse_address("127.0.0.1:0"));
    ASSERT_NE(socket->address().port, 0);
    ClientOptions client;
    client.host = "127.0.0.1";
    client.port = socket->address().port;
    // Whoever comes in the meantime waits.
    client.timeout = std::chrono::milliseconds(200);
    expect_error(ErrorKind::kTimeout, "within 200 ms", [&] { connect_tls(client); });
    client.timeout = std::chrono::seconds(5);
    expect_error(ErrorKind::kNetwork, "cannot listen on 127.0.0.1:", [&] { BoundSocket(socket->address()); });
    ServerOptions options;
    options.identity = testing::shared_identity();
    options.socket = socket;
    const TlsServer server(std::move(options), [](std::unique_ptr<Channel> channel, const Peer&) {
        channel->send({some_type::kStart, 0, 0, {1, 2, 3}});
    });
    EXPECT_EQ(server.address().port, socket->address().port);
    client.pinned_fingerprint = server.fingerprint();
    EXPECT_EQ(connect_tls(client)->receive(some_type::kStart).payload, (std::vector<std::uint8_t>{1, 2, 3}));
    expect_error(ErrorKind::kNetwork, "cannot listen on 127.0.0.1:", [&] { BoundSocket(server.address()); });
    expect_error(ErrorKind::kNetwork, "cannot listen on 192.0.2.1:", [&] { BoundSocket({"192.0.2.1", 0}); });
    expect_error(ErrorKind::kNetwork, "Connection refused", [&] {
        client.port = BoundSocket(parse_address("127.0.0.1:0")).address().port;  // closed again
        connect_tls(client);
    });
    ServerOptions again;
    again.identity = testing::shared_identity();
    again.socket = socket;
    expect_error(ErrorKind::kInternal, "used twice",
                 [&] { TlsServer(std::move(again), [](std::unique_ptr<Channel>, const Peer&) {}); });
}

TEST(Tls, ConnectFailuresAreClear) {
    std::uint16_t port = 0;
    {
        EchoServer echo;
        port = echo.port();
    }
    ClientOptions options;
    options.host = "127.0.0.1";
    options.port = port;
    options.timeout = 2s;
    expect_error(ErrorKind::kNetwork, "cannot connect to 127.0.0.1:" + std::to_string(port) + ": Connection refused",
                 [&] { connect_tls(options); });
}

TEST(Tls, StopEndsRunningSessions) {
    EchoServer echo(quick_limits(10s));
    const auto first = echo.connect();
    const auto second = echo.connect();
    first->send(message(some_type::kStart, 1));
    first->receive(some_type::kStart);
    const auto begin = std::chrono::steady_clock::now();
    auto waiting = std::async(std::launch::async, [&] { second->receive(some_type::kServerHello); });
    echo.server().stop();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
    expect_error(ErrorKind::kRemote, "the server is shutting down", [&] { first->receive(some_type::kStart); });
    expect_error(ErrorKind::kRemote, "the server is shutting down", [&] { waiting.get(); });
    EXPECT_EQ(echo.server().sessions(), 0u);
    echo.server().stop();
}

TEST(Tls, AnExceptionInAHandlerEndsThatSessionOnly) {
    std::atomic<int> calls{0};
    ServerOptions options;
    EchoServer server(std::move(options), [&](std::unique_ptr<Channel> channel, const Peer&) {
        if (++calls == 1) throw std::runtime_error("a mistake in the handler");
        channel->send(channel->receive(some_type::kStart));
    });
    const auto first = server.connect();
    expect_error(ErrorKind::kNetwork, "closed the connection", [&] { first->receive(some_type::kStart); });
    EXPECT_TRUE(server.serves());
}

}  // namespace
}  // namespace flash::transport
