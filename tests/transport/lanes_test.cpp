#include "transport/lanes.h"

#include <chrono>
#include <future>
#include <thread>

#include "helpers.h"
#include "transport/loopback.h"

namespace flash::transport {
namespace {

using namespace std::chrono_literals;
using testing::expect_error;
using testing::expect_same;
using testing::message;

/// Two ends of a line, each with its lanes; whoever waits at one end reads its line himself.
class LanesTest : public ::testing::Test {
protected:
    static constexpr std::size_t kLanes = 3;

    static Limits limits() {
        Limits limits;
        limits.timeout = 100ms;
        limits.max_queued = 2000;
        return limits;
    }
    static LoopbackOptions options() {
        LoopbackOptions options;
        options.limits = limits();
        return options;
    }
    /// Puts what has come into the lanes of the second end.
    void read_all() {
        while (there_.deliver(0ms)) {}
    }

    std::pair<std::unique_ptr<Channel>, std::unique_ptr<Channel>> line_ = make_loopback(options());
    Lanes here_{*line_.first, kLanes, limits(), "the server"};
    Lanes there_{*line_.second, kLanes, limits(), "the client"};
};

TEST_F(LanesTest, EachIsAChannelOfItsOwn) {
    for (std::uint32_t i = 0; i < 2; ++i)
        for (std::size_t lane : {2, 0}) here_.lane(lane).send(message(some_type::kUpload, 10 + lane, 1, i));
    here_.lane(0).send(message(some_type::kFinish, 0));
    std::vector<std::size_t> order;
    while (const auto arrival = there_.deliver(0ms)) order.push_back(arrival->lane);
    EXPECT_EQ(order.size(), 5u);
    EXPECT_EQ(there_.lane(0).receive(some_type::kFinish).payload.size(), 0u);
    for (std::uint32_t i = 0; i < 2; ++i)
        for (std::size_t lane : {0, 2})
            expect_same(there_.lane(lane).receive(some_type::kUpload), message(some_type::kUpload, 10 + lane, 1, i));
    expect_error(ErrorKind::kTimeout, "the client sent no type 6 message",
                 [&] { there_.lane(1).receive(some_type::kUpload); });
    there_.lane(1).send(message(some_type::kStart, 5));
    EXPECT_EQ(here_.deliver(0ms)->lane, 1u);
    EXPECT_EQ(here_.lane(1).receive_any(0ms).type, some_type::kStart);
}

TEST_F(LanesTest, EachCountsItsOwn) {
    here_.lane(1).send(message(some_type::kUpload, 100));
    here_.lane(1).send(message(some_type::kUpload, 100));
    Message last = message(some_type::kFinish, 0);
    EXPECT_TRUE(here_.lane(2).try_send(last));
    read_all();
    EXPECT_EQ(here_.lane(1).traffic().bytes_sent, 2u * 116);
    EXPECT_EQ(there_.lane(1).traffic().bytes_received, 2u * 116);
    EXPECT_EQ(there_.lane(1).traffic().messages_received, 2u);
    EXPECT_EQ(here_.lane(2).traffic().bytes_sent, 16u);
    EXPECT_EQ(here_.lane(0).traffic().bytes_sent, 0u);
    EXPECT_EQ(line_.first->traffic().bytes_sent, 2u * 116 + 16);
}

TEST_F(LanesTest, OneThatNobodyReadsIsInNobodysWay) {
    for (int i = 0; i < 3; ++i) here_.lane(0).send(message(some_type::kUpload, 500));
    here_.lane(1).send(message(some_type::kStart, 1));
    read_all();
    EXPECT_EQ(there_.lane(1).receive(some_type::kStart).payload.size(), 1u);
    EXPECT_EQ(there_.lane(0).receive(some_type::kUpload).payload.size(), 500u);
}

TEST_F(LanesTest, MoreThanALaneMayHoldIsAnErrorOfTheProtocol) {
    for (int i = 0; i < 5; ++i) here_.lane(0).send(message(some_type::kUpload, 500));
    here_.lane(1).send(message(some_type::kStart, 1));
    expect_error(ErrorKind::kProtocol, "the client sent more than 2000 bytes ahead", [&] { read_all(); });
    for (std::size_t lane = 0; lane < kLanes; ++lane)
        expect_error(ErrorKind::kProtocol, "more than 2000 bytes", [&] { there_.lane(lane).receive_any(0ms); });
    EXPECT_FALSE(line_.second->error()) << "the owner's to close";
}

TEST_F(LanesTest, ALaneThatWasNotAgreedUponEndsTheLine) {
    Message stray = message(some_type::kUpload, 1);
    stray.lane = kLanes;
    line_.first->send(stray);
    expect_error(ErrorKind::kProtocol, "lane 3", [&] { read_all(); });
    expect_error(ErrorKind::kProtocol, "lane 3", [&] { there_.lane(0).receive_any(0ms); });
}

TEST_F(LanesTest, WhatCameBeforeTheEndIsStillTaken) {
    here_.lane(2).send(message(some_type::kFinish, 7));
    line_.first->close();
    expect_error(ErrorKind::kNetwork, "closed", [&] { read_all(); });
    EXPECT_EQ(there_.lane(2).receive(some_type::kFinish).payload.size(), 7u);
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
        expect_error(ErrorKind::kNetwork, "closed the connection", [&] { there_.lane(lane).receive_any(0ms); });
        expect_error(ErrorKind::kNetwork, "closed the connection",
                     [&] { there_.lane(lane).send(message(some_type::kStart, 1)); });
    }
}

TEST_F(LanesTest, APeersErrorIsForAll) {
    line_.first->fail("no more of this");
    expect_error(ErrorKind::kRemote, "no more of this", [&] { read_all(); });
    for (std::size_t lane = 0; lane < kLanes; ++lane)
        expect_error(ErrorKind::kRemote, "no more of this", [&] { there_.lane(lane).receive_any(0ms); });
}

TEST_F(LanesTest, OneThatFailsEndsAloneAndItsPeerIsTold) {
    auto waiting = std::async(std::launch::async, [&] {
        expect_error(ErrorKind::kNetwork, "this side has ended it", [&] { there_.lane(0).receive_any(10s); });
    });
    std::this_thread::sleep_for(5ms);
    there_.lane(0).fail("a reason");
    there_.lane(0).fail("another");
    there_.lane(2).close();
    waiting.get();
    here_.lane(0).send(message(some_type::kUpload, 100));  // dropped over there
    here_.lane(1).send(message(some_type::kUpload, 200));
    read_all();
    EXPECT_EQ(there_.lane(1).receive(some_type::kUpload).payload.size(), 200u);
    EXPECT_TRUE(there_.lane(0).error());
    EXPECT_FALSE(there_.lane(1).error());
    Message more = message(some_type::kStart, 1);
    expect_error(ErrorKind::kNetwork, "this side", [&] { there_.lane(0).try_send(more); });

    const auto arrival = here_.deliver(0ms);
    ASSERT_TRUE(arrival);
    EXPECT_EQ(arrival->lane, 0u);
    EXPECT_FALSE(here_.deliver(0ms)) << "of the second reason and of a lane that was closed nothing is told";
    expect_error(ErrorKind::kRemote, "the server reported: a reason", [&] { here_.lane(0).receive_any(0ms); });
    expect_error(ErrorKind::kRemote, "a reason", [&] { here_.lane(0).send(message(some_type::kUpload, 1)); });
    EXPECT_FALSE(here_.lane(1).error());
    EXPECT_FALSE(here_.lane(2).error());
    EXPECT_FALSE(line_.first->error());
    EXPECT_FALSE(line_.second->error());
}

TEST(Lanes, OneThatFailsDoesNotWaitForTheLine) {
    LoopbackOptions options;
    options.window = 1000;
    options.limits.timeout = 20s;
    auto [first, second] = make_loopback(options);
    Lanes lanes(*first, 2, options.limits, "the server");
    options.limits.lanes = 2;
    second->set_limits(options.limits);
    lanes.lane(0).send(message(some_type::kUpload, 900));
    auto blocked = std::async(std::launch::async, [&] {
        expect_error(ErrorKind::kNetwork, "this side has ended it",
                     [&] { lanes.lane(1).send(message(some_type::kUpload, 900)); });
    });
    std::this_thread::sleep_for(10ms);
    const auto begin = std::chrono::steady_clock::now();
    lanes.lane(1).fail("a reason");
    blocked.get();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
    second->receive(some_type::kUpload);
    lanes.lane(0).send(message(some_type::kUpload, 900));  // as the line has room again
    EXPECT_EQ(second->receive(some_type::kUpload).lane, 0u);
}

TEST(Lanes, ALineThatDoesNotMoveIsATimeout) {
    LoopbackOptions options;
    options.window = 1000;
    options.limits.timeout = 50ms;
    auto [first, second] = make_loopback(options);
    Lanes lanes(*first, 2, options.limits, "the server");
    lanes.lane(0).send(message(some_type::kUpload, 900));
    expect_error(ErrorKind::kTimeout, "the server took no data within 50 ms",
                 [&] { lanes.lane(1).send(message(some_type::kUpload, 900)); });
}

TEST_F(LanesTest, ManyThreadsAtOnce) {
    constexpr std::uint32_t kMessages = 500;
    std::thread reader([&] {
        for (std::uint32_t i = 0; i < kLanes * kMessages; ++i) ASSERT_TRUE(there_.deliver(10s));
    });
    std::vector<std::thread> threads;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
        // As the protocol does: no more is under way than the lane may hold.
        threads.emplace_back([&, lane] {
            for (std::uint32_t i = 0; i < kMessages; ++i) {
                here_.lane(lane).send(message(some_type::kUpload, 20 + lane, 0, i));
                Message got;
                for (int tries = 0;; ++tries) try {
                        got = there_.lane(lane).receive(some_type::kUpload);
                        break;
                    } catch (const Error& error) {
                        if (error.kind() != ErrorKind::kTimeout || tries > 100) throw;
                    }
                expect_same(got, message(some_type::kUpload, 20 + lane, 0, i));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    reader.join();
}

}  // namespace
}  // namespace flash::transport
