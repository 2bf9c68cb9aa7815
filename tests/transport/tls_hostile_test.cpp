// The TLS transport against parties that break the rules, stay silent or die. Every case ends within its time limit
// with a clear error, and the server goes on serving others.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <future>
#include <random>
#include <thread>
#include <utility>

#include "echo_server.h"
#include "helpers.h"
#include "raw_peer.h"

namespace flash::transport {
namespace {

using namespace std::chrono_literals;
using testing::EchoServer;
using testing::expect_error;
using testing::message;
using testing::quick_limits;
using testing::raw_frame;
using testing::RawListener;
using testing::RawSocket;
using testing::RawTls;
using testing::Seen;

class HostileClient : public ::testing::Test {
protected:
    void TearDown() override { EXPECT_TRUE(echo.serves()); }
    void expect_refusal(std::span<const std::uint8_t> bytes, const std::string& reason) {
        auto peer = RawTls::connect(echo.port());
        ASSERT_TRUE(peer.ready());
        peer.write(bytes);
        EXPECT_THAT(peer.read_error(), ::testing::HasSubstr(reason));
        const auto errors = echo.errors(1);
        ASSERT_EQ(errors.size(), 1u);
        EXPECT_EQ(errors[0].kind, ErrorKind::kProtocol);
        EXPECT_THAT(errors[0].text, ::testing::HasSubstr(reason));
    }
    EchoServer echo{quick_limits(600ms)};
};

TEST_F(HostileClient, RandomBytesInsteadOfTls) {
    std::mt19937 random(7);
    std::vector<std::uint8_t> noise(5000);
    for (auto& byte : noise) byte = static_cast<std::uint8_t>(random());
    auto peer = RawSocket::connect(echo.port());
    peer.write(noise);
    EXPECT_TRUE(peer.closed_by_peer());
}

TEST_F(HostileClient, PlainText) {
    auto peer = RawSocket::connect(echo.port());
    peer.write(std::string("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    EXPECT_TRUE(peer.closed_by_peer());
}

TEST_F(HostileClient, SilenceInTheHandshake) {
    const auto begin = std::chrono::steady_clock::now();
    auto silent = RawSocket::connect(echo.port());
    auto halfway = RawSocket::connect(echo.port());
    halfway.write(std::vector<std::uint8_t>{0x16, 0x03, 0x01, 0x02, 0x00, 0x01});
    EXPECT_TRUE(silent.closed_by_peer());
    EXPECT_TRUE(halfway.closed_by_peer());
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
}

TEST_F(HostileClient, OlderTls) { EXPECT_FALSE(RawTls::connect(echo.port(), TLS1_2_VERSION).ready()); }

TEST_F(HostileClient, SilenceAfterTheHandshake) {
    auto peer = RawTls::connect(echo.port());
    EXPECT_THAT(peer.read_error(), ::testing::HasSubstr("no next message within 600 ms"));
    EXPECT_EQ(echo.errors(1).at(0).kind, ErrorKind::kTimeout);
}

TEST_F(HostileClient, HalfAFrameThenSilence) {
    auto peer = RawTls::connect(echo.port());
    peer.write(raw_frame(1000, 6, 0, 500));
    EXPECT_THAT(peer.read_error(), ::testing::HasSubstr("within 600 ms"));
}

TEST_F(HostileClient, OversizedFrame) { expect_refusal(raw_frame(0xffffffff, 6, 0, 10), "declares 4294967295 bytes"); }
TEST_F(HostileClient, UnknownType) { expect_refusal(raw_frame(0, 77, 0, 0), "unknown type 77"); }
TEST_F(HostileClient, ALaneThatWasNotAgreedUpon) { expect_refusal(raw_frame(0, 6, 1, 0), "lane 1"); }
TEST_F(HostileClient, OversizedErrorMessage) { expect_refusal(raw_frame(1025, 1, 0, 1025), "the limit is 1024"); }

TEST_F(HostileClient, ErrorMessageIsMadePrintable) {
    auto peer = RawTls::connect(echo.port());
    auto frame = raw_frame(6, 1, 0, 6);
    std::copy_n("\x1b[2Jhi", 6, frame.begin() + 16);
    peer.write(frame);
    const auto errors = echo.errors(1);
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_EQ(errors[0].kind, ErrorKind::kRemote);
    EXPECT_EQ(errors[0].text, "the client reported: ?[2Jhi");
}

TEST_F(HostileClient, ClosesInTheMiddleOfAMessage) {
    auto peer = RawTls::connect(echo.port());
    peer.write(raw_frame(1000, 6, 0, 500));
    peer.say_farewell();
    const auto errors = echo.errors(1);
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_EQ(errors[0].kind, ErrorKind::kNetwork);
    EXPECT_THAT(errors[0].text, ::testing::HasSubstr("closed the connection in the middle of a message"));
}

TEST_F(HostileClient, VanishesWithoutFarewell) {
    for (const bool reset : {false, true}) {
        auto peer = RawTls::connect(echo.port());
        peer.write(raw_frame(1000, 6, 0, 10));
        std::this_thread::sleep_for(50ms);
        reset ? peer.socket().reset() : peer.socket().close();
    }
    const auto errors = echo.errors(2);
    ASSERT_EQ(errors.size(), 2u);
    for (const auto& error : errors) {
        EXPECT_EQ(error.kind, ErrorKind::kNetwork);  // at once: after the time limit it would be kTimeout
        EXPECT_THAT(error.text, ::testing::HasSubstr("the client was cut off in the middle of a message"));
    }
}

TEST_F(HostileClient, ManyQuickConnectionsAndDisconnections) {
    for (int i = 0; i < 200; ++i) {
        auto peer = RawSocket::connect(echo.port());
        if (i % 3 == 0) peer.write(std::string("\x16\x03\x01"));
        i % 2 == 0 ? peer.reset() : peer.close();
    }
    for (int i = 0; i < 20; ++i) {
        auto peer = RawTls::connect(echo.port());
        if (i % 2 == 0) peer.socket().reset();
    }
}

TEST_F(HostileClient, RandomFrames) {
    std::mt19937 random(11);
    for (int round = 0; round < 20; ++round) {
        auto peer = RawTls::connect(echo.port());
        std::vector<std::uint8_t> noise(1 + random() % 3000);
        for (auto& byte : noise) byte = static_cast<std::uint8_t>(random());
        peer.write(noise);
        if (round % 2 == 0) peer.say_farewell();
    }
}

TEST(HostileFlood, OverrunningTheInboxEndsTheSession) {
    Limits limits = quick_limits(2s);
    limits.max_queued = 100'000;
    ServerOptions options;
    options.limits = limits;
    std::promise<Seen> ended;
    EchoServer server(std::move(options), [&](std::unique_ptr<Channel> channel, const Peer&) {
        try {
            channel->receive(some_type::kResultShare);
        } catch (const Error& error) {
            ended.set_value(Seen(error));
        }
    });
    const auto channel = server.connect();
    expect_error(ErrorKind::kRemote, "sent more than 100000 bytes ahead", [&] {
        for (int i = 0; i < 5000; ++i) channel->send(message(some_type::kUpload, 1000));
        channel->receive(some_type::kResultShare);
    });
    EXPECT_EQ(ended.get_future().get().kind, ErrorKind::kProtocol);
}

/// Sends messages without end to whoever connects, until it may not queue any more.
class FloodingServer {
public:
    FloodingServer(std::chrono::milliseconds timeout, std::size_t max_send_queue)
        : server_(options(timeout, max_send_queue), [this](std::unique_ptr<Channel> channel, const Peer&) {
              try {
                  while (true) channel->send(message(some_type::kLinearResponse, 100'000));
              } catch (const Error& error) {
                  ended_.set_value(Seen(error));
              }
          }) {}
    auto port() const { return server_.port(); }
    std::future<Seen> end() { return ended_.get_future(); }

private:
    static ServerOptions options(std::chrono::milliseconds timeout, std::size_t max_send_queue) {
        ServerOptions options;
        options.limits = quick_limits(timeout);
        options.limits.max_send_queue = max_send_queue;
        return options;
    }
    std::promise<Seen> ended_;  // outlives the server, which sets it
    EchoServer server_;
};

TEST(HostileFlood, APeerThatDoesNotReadStallsSendButNotForever) {
    FloodingServer server(300ms, 1'000'000);
    auto peer = RawTls::connect(server.port());
    auto future = server.end();
    ASSERT_EQ(future.wait_for(5s), std::future_status::ready);
    const Seen error = future.get();
    EXPECT_EQ(error.kind, ErrorKind::kTimeout);
    EXPECT_EQ(error.text, "the client took no data within 300 ms");
}

TEST(HostileFlood, AnswersToKeyUpdatesDoNotPileUp) {
    // The peer takes nothing, so that the server's socket is full, and asks for new keys again and again.
    FloodingServer server(20s, 32'000'000);
    auto peer = RawTls::connect(server.port());
    ASSERT_TRUE(peer.ready());
    std::this_thread::sleep_for(300ms);
    auto future = server.end();
    int asked = 0;
    while (asked < 20'000 && peer.ask_for_new_keys()) ++asked;
    ASSERT_EQ(future.wait_for(5s), std::future_status::ready) << asked << " changes of keys were answered";
    const Seen error = future.get();
    EXPECT_EQ(error.kind, ErrorKind::kProtocol);
    EXPECT_EQ(error.text, "the client changed its keys without need");
}

/// Peers that send one thing without end, each in a thread, until their connections break.
class Flood {
public:
    using Send = std::function<bool(RawTls&)>;
    Flood(std::uint16_t port, int peers, const Send& send) {
        for (int i = 0; i < peers; ++i)
            threads_.emplace_back([this, port, send] {
                while (!stop_) {
                    auto peer = RawTls::connect(port);
                    if (!peer.ready()) continue;
                    ++connected_;
                    while (!stop_ && send(peer)) ++sent_;
                    ++broken_;
                }
            });
    }
    ~Flood() {
        stop_ = true;
        for (std::thread& thread : threads_) thread.join();
    }
    int connected() const { return connected_; }
    int broken() const { return broken_; }
    std::uint64_t sent() const { return sent_; }

private:
    std::atomic<bool> stop_{false};
    std::atomic<int> connected_{0}, broken_{0};
    std::atomic<std::uint64_t> sent_{0};
    std::vector<std::thread> threads_;
};

/// How long an honest client's exchange takes beside it.
std::chrono::milliseconds exchange(const EchoServer& server) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(server.serves());
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
}

TEST(HostileFlood, ChangesOfKeysThatAskForNoAnswerHoldNoThread) {
    ::signal(SIGPIPE, SIG_IGN);
    EchoServer server(quick_limits(10s), 16);
    const Flood flood(server.port(), 4, [](RawTls& peer) { return peer.change_keys(); });
    while (flood.connected() < 4) std::this_thread::sleep_for(5ms);
    std::this_thread::sleep_for(300ms);
    for (int i = 0; i < 3; ++i) EXPECT_LT(exchange(server), 4s) << flood.sent() << " changes of keys";
    EXPECT_GT(flood.broken(), 0);
    const auto errors = server.errors(1);
    EXPECT_TRUE(std::ranges::any_of(errors, [](const Seen& error) {
        return error.kind == ErrorKind::kProtocol && error.text == "the client changed its keys without need";
    }));
}

TEST(HostileFlood, EmptyAndTinyRecordsHoldNoThread) {
    ::signal(SIGPIPE, SIG_IGN);
    for (const std::size_t bytes : {0, 1}) {
        Limits limits = quick_limits(10s);
        limits.max_payload = std::size_t{1} << 30;  // one message without end
        EchoServer server(limits, 16);
        const Flood flood(server.port(), 4, [&, first = true](RawTls& peer) mutable {
            if (std::exchange(first, false)) peer.write(raw_frame(1 << 29, 6, 0, 0));
            std::size_t written = 0;
            const std::uint8_t zero = 0;
            return SSL_write_ex(peer.ssl(), &zero, bytes, &written) == 1;
        });
        while (flood.connected() < 4) std::this_thread::sleep_for(5ms);
        std::this_thread::sleep_for(300ms);
        for (int i = 0; i < 3; ++i) EXPECT_LT(exchange(server), 4s) << flood.sent() << " records of " << bytes;
    }
}

TEST(HostileFlood, ChangesOfKeysThatManyBytesNeedAreNothingBad) {
    EchoServer server(quick_limits(5s));
    auto peer = RawTls::connect(server.port());
    const auto frame = raw_frame(std::uint32_t{1} << 20, 6, 0, std::size_t{1} << 20);
    for (int i = 0; i < 40; ++i) {
        peer.write(frame);
        ASSERT_TRUE(peer.change_keys());
        for (std::size_t left = frame.size(); left > 0;) {  // its echo
            std::vector<std::uint8_t> buffer(left);
            std::size_t got = 0;
            ASSERT_EQ(SSL_read_ex(peer.ssl(), buffer.data(), left, &got), 1) << "after " << i << " changes of keys";
            left -= got;
        }
    }
}

TEST(HostileFlood, SilentConnectionsDoNotBlockStop) {
    EchoServer echo(quick_limits(10s));
    auto silent = RawSocket::connect(echo.port());
    auto waiting = RawTls::connect(echo.port());
    std::this_thread::sleep_for(20ms);
    const auto begin = std::chrono::steady_clock::now();
    echo.server().stop();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
    EXPECT_EQ(waiting.read_error(), "the server is shutting down");
    EXPECT_TRUE(silent.closed_by_peer());
}

class HostileServer : public ::testing::Test {
protected:
    ClientOptions options() {
        ClientOptions o;
        o.host = "127.0.0.1";
        o.port = listener.port();
        o.pinned_fingerprint = fingerprint(testing::shared_identity());
        o.timeout = 3s;
        o.limits = quick_limits(300ms);
        return o;
    }
    /// Connects while `serve` runs on the accepted TLS connection, and returns the channel when that has returned.
    std::unique_ptr<Channel> connect_to(const std::function<void(RawTls&)>& serve) {
        auto serving = std::async(std::launch::async, [&] {
            auto peer = RawTls::accept(listener.accept(), testing::shared_identity());
            serve(peer);
        });
        auto channel = connect_tls(options());
        serving.get();
        return channel;
    }
    RawListener listener;
};

TEST_F(HostileServer, Silent) {
    const auto begin = std::chrono::steady_clock::now();
    ClientOptions impatient = options();
    impatient.timeout = 300ms;
    expect_error(ErrorKind::kTimeout, "within 300 ms (TLS handshake)", [&] { connect_tls(impatient); });
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
}

TEST_F(HostileServer, ConnectingIsCancelled) {
    ClientOptions patient = options();
    patient.timeout = 60s;
    std::stop_source source;
    auto connecting = std::async(std::launch::async, [&] { connect_tls(patient, source.get_token()); });
    EXPECT_EQ(connecting.wait_for(200ms), std::future_status::timeout);
    const auto begin = std::chrono::steady_clock::now();
    source.request_stop();
    expect_error(ErrorKind::kCancelled, "cancelled while connecting to 127.0.0.1:", [&] { connecting.get(); });
    expect_error(ErrorKind::kCancelled, "cancelled", [&] { connect_tls(patient, source.get_token()); });
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
}

TEST_F(HostileServer, NotTls) {
    auto serving = std::async(std::launch::async, [&] {
        auto peer = listener.accept();
        peer.write(std::string("SSH-2.0-OpenSSH_9.2\r\n"));
        peer.closed_by_peer();
    });
    expect_error(ErrorKind::kNetwork, "is a Flash server listening there?", [&] { connect_tls(options()); });
    serving.get();
}

TEST_F(HostileServer, ClosesInTheHandshake) {
    auto serving = std::async(std::launch::async, [&] {
        auto peer = listener.accept();
        std::uint8_t first = 0;
        (void)!::recv(peer.fd(), &first, 1, 0);
        peer.reset();
    });
    expect_error(ErrorKind::kNetwork, "TLS handshake with 127.0.0.1:", [&] { connect_tls(options()); });
    serving.get();
}

TEST_F(HostileServer, BadFrame) {
    const auto channel = connect_to([](RawTls& peer) { peer.write(raw_frame(0, 500, 0, 0)); });
    expect_error(ErrorKind::kProtocol, "unknown type 500", [&] { channel->receive(some_type::kServerHello); });
    expect_error(ErrorKind::kProtocol, "unknown type 500", [&] { channel->send(message(some_type::kStart, 1)); });
}

TEST_F(HostileServer, CutInTheMiddleOfAMessage) {
    const auto channel = connect_to([](RawTls& peer) {
        peer.write(raw_frame(100, 3, 0, 50));
        peer.socket().close();
    });
    expect_error(ErrorKind::kNetwork, "the server was cut off in the middle of a message",
                 [&] { channel->receive(some_type::kServerHello); });
}

}  // namespace
}  // namespace flash::transport
