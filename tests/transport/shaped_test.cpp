// Emulated links: the contract of Channel over both inner channels, and lower bounds of time. (Upper bounds would
// depend on the machine.)
#include "transport/shaped.h"

#include <future>
#include <thread>

#include "echo_server.h"
#include "transport/loopback.h"

namespace flash::transport {
namespace {

using namespace std::chrono_literals;
using testing::EchoServer;
using testing::expect_error;
using testing::expect_same;
using testing::message;

using Clock = std::chrono::steady_clock;

constexpr LinkModel kQuick{1e9, 1e-3};

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// Two connected ends, each behind the link.
struct Ends {
    explicit Ends(bool tls, const LinkModel& link = kQuick, Limits limits = testing::quick_limits(2s)) {
        if (!tls) {
            LoopbackOptions options;
            options.limits = limits;
            auto [x, y] = make_loopback(options);
            a = make_shaped(std::move(x), link, limits);
            b = make_shaped(std::move(y), link, limits);
            return;
        }
        ServerOptions options;
        options.limits = limits;
        std::promise<std::unique_ptr<Channel>> arrived;
        auto future = arrived.get_future();
        server = std::make_unique<EchoServer>(std::move(options),
                                              [this, &arrived](std::unique_ptr<Channel> channel, const Peer&) {
                                                  arrived.set_value(std::move(channel));
                                                  over.get_future().wait();
                                              });
        auto client = server->client_options();
        client.limits = limits;
        a = make_shaped(connect_tls(client), link, limits);
        b = make_shaped(future.get(), link, limits);
    }
    ~Ends() {
        over.set_value();
        a.reset();
        b.reset();
    }
    std::promise<void> over;
    std::unique_ptr<EchoServer> server;
    std::unique_ptr<Channel> a, b;
};

class Shaped : public ::testing::TestWithParam<bool> {
protected:
    bool tls() const { return GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Over, Shaped, ::testing::Values(false, true),
                         [](const auto& which) { return which.param ? "Tls" : "Memory"; });

TEST_P(Shaped, CarriesMessagesInOrderBothWays) {
    Ends ends(tls());
    const auto exchange = [](Channel& to, Channel& from) {
        for (std::uint32_t i = 0; i < 300; ++i) to.send(message(some_type::kUpload, (i * 797) % 5000, 1, i));
        for (std::uint32_t i = 0; i < 300; ++i)
            expect_same(from.receive(some_type::kUpload), message(some_type::kUpload, (i * 797) % 5000, 1, i));
    };
    auto back = std::async(std::launch::async, [&] { exchange(*ends.b, *ends.a); });
    exchange(*ends.a, *ends.b);
    back.get();
}

TEST_P(Shaped, CountsFramesWhenTheyAreSent) {
    Ends ends(tls(), {1e6, 20e-3});
    ends.a->send(message(some_type::kStart, 100));
    ends.a->send(message(some_type::kFinish, 0));
    EXPECT_EQ(ends.a->traffic().bytes_sent, 132u);
    EXPECT_EQ(ends.a->traffic().messages_sent, 2u);
    EXPECT_EQ(ends.a->traffic().bytes_received, 0u);
    ends.b->receive(some_type::kFinish);
    EXPECT_EQ(ends.b->traffic().bytes_received, 132u);
    EXPECT_EQ(ends.b->traffic().messages_received, 2u);
    EXPECT_EQ(ends.b->traffic().bytes_sent, 0u);
}

TEST_P(Shaped, IsNeverFasterThanTheLink) {
    // 100 frames of 10,000 bytes at 80 Mbit/s: 100 ms; 10 ms from end to end.
    Ends ends(tls(), {80e6, 20e-3});
    const auto begin = Clock::now();
    for (std::uint32_t i = 0; i < 100; ++i) ends.a->send(message(some_type::kUpload, 10'000 - kFrameHeaderBytes, 0, i));
    ends.b->receive(some_type::kUpload);
    EXPECT_GE(seconds_since(begin), 0.011);
    for (std::uint32_t i = 1; i < 50; ++i) ends.b->receive(some_type::kUpload);
    EXPECT_GE(seconds_since(begin), 0.060);
    for (std::uint32_t i = 50; i < 100; ++i) EXPECT_EQ(ends.b->receive(some_type::kUpload).index, i);
    EXPECT_GE(seconds_since(begin), 0.110);
}

TEST_P(Shaped, EveryRoundTripTakesItsTime) {
    Ends ends(tls(), {1e9, 10e-3});
    auto echo = std::async(std::launch::async, [&] {
        for (int i = 0; i < 5; ++i) ends.b->send(ends.b->receive(some_type::kStart));
    });
    const auto begin = Clock::now();
    for (int i = 0; i < 5; ++i) {
        ends.a->send(message(some_type::kStart, 10));
        ends.a->receive(some_type::kStart);
    }
    EXPECT_GE(seconds_since(begin), 0.050);
    echo.get();
}

TEST_P(Shaped, AnIdleLineSavesNothingUp) {
    Ends ends(tls(), {8e6, 0});
    ends.a->send(message(some_type::kStart, 1));
    std::this_thread::sleep_for(30ms);
    const auto begin = Clock::now();
    ends.a->send(message(some_type::kUpload, 50'000));
    ends.b->receive(some_type::kUpload);
    EXPECT_GE(seconds_since(begin), 0.050);
}

TEST_P(Shaped, WhatThePeerWaitsForOvertakesWhatIsSentAhead) {
    Ends ends(tls(), {2e6, 2e-3});  // 10,000 bytes in 40 ms
    const auto begin = Clock::now();
    // 400 ms of keys; the response leaves behind the first of them.
    for (std::uint32_t i = 0; i < 10; ++i)
        ends.a->send(message(some_type::kServerVectors, 10'000 - kFrameHeaderBytes, 0, i));
    ends.a->send(message(some_type::kLinearResponse, 100));
    ends.b->receive(some_type::kLinearResponse);
    EXPECT_GE(seconds_since(begin), 0.041);
    // Not all keys were there by then: the channel without this order would have delivered them first.
    int before = 0;
    while (true) {
        try {
            ends.b->receive_any(0ms);
            ++before;
        } catch (const Error&) {
            break;
        }
    }
    EXPECT_LT(before, 10);
    for (int i = before; i < 10; ++i)
        EXPECT_EQ(ends.b->receive(some_type::kServerVectors).index, static_cast<std::uint32_t>(i));
    EXPECT_GE(seconds_since(begin), 0.400);
}

TEST_P(Shaped, AFullSendQueueHoldsTheSenderBack) {
    Limits limits = testing::quick_limits(5s);
    limits.max_send_queue = 20'000;
    Ends ends(tls(), {8e6, 40e-3}, limits);  // 1 byte a microsecond
    const auto begin = Clock::now();
    for (std::uint32_t i = 0; i < 8; ++i) ends.a->send(message(some_type::kUpload, 10'000 - kFrameHeaderBytes, 0, i));
    // Two may wait, so the eighth was taken only when six had left; that they have not arrived does not matter.
    EXPECT_GE(seconds_since(begin), 0.060);
    for (std::uint32_t i = 0; i < 8; ++i) EXPECT_EQ(ends.b->receive(some_type::kUpload).index, i);
}

TEST_P(Shaped, TryingToSendDoesNotWait) {
    Limits limits = testing::quick_limits(5s);
    limits.max_send_queue = 20'000;
    Ends ends(tls(), {8e6, 40e-3}, limits);  // 10 ms for each of these
    Message third = message(some_type::kUpload, 10'000 - kFrameHeaderBytes, 0, 2);
    for (std::uint32_t i = 0; i < 2; ++i) {
        Message one = message(some_type::kUpload, 10'000 - kFrameHeaderBytes, 0, i);
        EXPECT_TRUE(ends.a->try_send(one));
    }
    EXPECT_FALSE(ends.a->try_send(third));
    EXPECT_EQ(third.payload.size(), 10'000 - kFrameHeaderBytes) << "what was not sent stays";
    ends.a->send(std::move(third));
    for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(ends.b->receive(some_type::kUpload).index, i);
}

TEST_P(Shaped, AQueueThatDoesNotMoveIsATimeout) {
    Limits limits = testing::quick_limits(50ms);
    limits.max_send_queue = 1000;
    Ends ends(tls(), {1e3, 0}, limits);
    ends.a->send(message(some_type::kUpload, 5000));  // alone, a message of any size may pass
    expect_error(ErrorKind::kTimeout, "took no data within 50 ms",
                 [&] { ends.a->send(message(some_type::kUpload, 1)); });
}

TEST_P(Shaped, TimesOutAndStaysUsable) {
    Ends ends(tls(), kQuick, testing::quick_limits(50ms));
    expect_error(ErrorKind::kTimeout, "no type 3 message within 50 ms",
                 [&] { ends.a->receive(some_type::kServerHello); });
    expect_error(ErrorKind::kTimeout, "10 ms", [&] { ends.a->receive_any(10ms); });
    ends.a->set_limits(testing::quick_limits(2s));
    ends.b->send(message(some_type::kServerHello, 3));
    EXPECT_EQ(ends.a->receive(some_type::kServerHello).payload.size(), 3u);
    EXPECT_FALSE(ends.a->error());
}

TEST_P(Shaped, FailOvertakesWhatIsUnderWay) {
    Ends ends(tls(), {1e4, 100e-3});
    for (int i = 0; i < 10; ++i) ends.a->send(message(some_type::kUpload, 100'000));
    ends.a->fail("the model is gone");
    expect_error(ErrorKind::kRemote, "the model is gone", [&] { ends.b->receive(some_type::kUpload); });
    expect_error(ErrorKind::kRemote, "the model is gone", [&] { ends.b->send(message(some_type::kStart, 1)); });
    EXPECT_EQ(ends.b->error()->kind(), ErrorKind::kRemote);
    expect_error(ErrorKind::kNetwork, "this side has closed", [&] { ends.a->receive(some_type::kStart); });
    expect_error(ErrorKind::kNetwork, "this side has closed", [&] { ends.a->send(message(some_type::kStart, 1)); });
    EXPECT_EQ(ends.a->traffic().messages_sent, 11u);
}

TEST_P(Shaped, CloseDeliversWhatWasSent) {
    Ends ends(tls(), {80e6, 10e-3});
    for (std::uint32_t i = 0; i < 20; ++i) ends.a->send(message(some_type::kResultShare, 10'000, 0, i));
    ends.a->close();
    for (std::uint32_t i = 0; i < 20; ++i) EXPECT_EQ(ends.b->receive(some_type::kResultShare).index, i);
    expect_error(ErrorKind::kNetwork, "closed the connection during the wait for its type 11 message",
                 [&] { ends.b->receive(some_type::kFinish); });
    expect_error(ErrorKind::kNetwork, "closed", [&] { ends.b->send(message(some_type::kStart, 1)); });
    expect_error(ErrorKind::kNetwork, "this side has closed", [&] { ends.a->send(message(some_type::kStart, 1)); });
}

TEST_P(Shaped, CloseGivesUpOnALinkThatTakesTooLong) {
    Ends ends(tls(), {1e3, 0}, testing::quick_limits(50ms));
    ends.a->send(message(some_type::kUpload, 100'000));
    ends.a->close();  // would take a quarter of an hour
    ends.b->set_limits(testing::quick_limits(2s));
    expect_error(ErrorKind::kNetwork, "closed", [&] { ends.b->receive(some_type::kUpload); });
}

TEST_P(Shaped, LimitsOnePayload) {
    Limits limits = testing::quick_limits(2s);
    limits.max_payload = 100;
    Ends ends(tls(), kQuick, limits);
    expect_error(ErrorKind::kInternal, "size limit", [&] { ends.a->send(message(some_type::kStart, 101)); });
    limits.max_payload = 1000;
    ends.a->set_limits(limits);
    ends.a->send(message(some_type::kStart, 101));
    expect_error(ErrorKind::kProtocol, "declares 101 bytes; the limit is 100",
                 [&] { ends.b->receive(some_type::kStart); });
    expect_error(ErrorKind::kRemote, "declares 101 bytes", [&] { ends.a->receive(some_type::kStartReply); });
}

TEST_P(Shaped, LimitsWhatIsQueued) {
    Limits limits = testing::quick_limits(2s);
    limits.max_queued = 10'000;
    Ends ends(tls(), kQuick, limits);
    expect_error(ErrorKind::kRemote, "ahead of what was asked for", [&] {
        for (int i = 0; i < 1000; ++i) ends.a->send(message(some_type::kUpload, 100));
        ends.a->receive(some_type::kStartReply);
    });
    expect_error(ErrorKind::kProtocol, "more than 10000 bytes", [&] { ends.b->receive(some_type::kUpload); });
}

TEST_P(Shaped, ThePeersEndWakesABlockedSender) {
    Limits limits = testing::quick_limits(30s);
    limits.max_send_queue = 1000;
    Ends ends(tls(), {8e5, 0}, limits);
    ends.a->send(message(some_type::kUpload, 5'000));  // 50 ms
    auto sending = std::async(std::launch::async, [&] {
        for (int i = 0; i < 100; ++i) ends.a->send(message(some_type::kUpload, 5'000));
    });
    ends.b->fail("no more");
    expect_error(ErrorKind::kRemote, "no more", [&] { sending.get(); });
}

TEST_P(Shaped, ClosingWakesABlockedSender) {
    Limits limits = testing::quick_limits(30s);
    limits.max_send_queue = 10;
    Ends ends(tls(), {8e5, 0}, limits);
    ends.a->send(message(some_type::kUpload, 5'000));
    auto sending = std::async(std::launch::async, [&] {
        for (int i = 0; i < 10'000; ++i) ends.a->send(message(some_type::kUpload, 5'000));
    });
    ends.a->close();
    expect_error(ErrorKind::kNetwork, "this side has closed", [&] { sending.get(); });
}

TEST_P(Shaped, EndsWithFramesUnderWay) {
    Ends ends(tls(), {1e9, 60}, testing::quick_limits(30s));
    ends.a->send(message(some_type::kUpload, 5'000));
    ends.b->fail("enough");
    expect_error(ErrorKind::kRemote, "enough", [&] { ends.a->receive(some_type::kStart); });
    ends.a.reset();  // half a minute would be in vain
}

}  // namespace
}  // namespace flash::transport
