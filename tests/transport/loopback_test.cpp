#include "transport/loopback.h"

#include <chrono>
#include <future>
#include <thread>

#include "helpers.h"

namespace flash::transport {
namespace {

using namespace std::chrono_literals;
using testing::expect_error;
using testing::expect_same;
using testing::message;

LoopbackOptions quick(std::chrono::milliseconds timeout = 100ms) {
    LoopbackOptions options;
    options.limits.timeout = timeout;
    return options;
}

TEST(Loopback, KeepsOrderWithinATypeAndLetsTypesOvertake) {
    auto [a, b] = make_loopback(quick());
    a->send(message(some_type::kUpload, 10, 1, 0));
    a->send(message(some_type::kUpload, 20, 1, 1));
    a->send(message(some_type::kFinish, 0));
    EXPECT_EQ(b->receive(some_type::kFinish).payload.size(), 0u);
    expect_same(b->receive(some_type::kUpload), message(some_type::kUpload, 10, 1, 0));
    expect_same(b->receive(some_type::kUpload), message(some_type::kUpload, 20, 1, 1));
}

TEST(Loopback, ReceiveAnyFollowsArrival) {
    auto [a, b] = make_loopback(quick());
    a->send(message(some_type::kUpload, 1));
    a->send(message(some_type::kStart, 1));
    a->send(message(some_type::kUpload, 1));
    EXPECT_EQ(b->receive_any(10ms).type, some_type::kUpload);
    EXPECT_EQ(b->receive_any(10ms).type, some_type::kStart);
    EXPECT_EQ(b->receive_any(10ms).type, some_type::kUpload);
    expect_error(ErrorKind::kTimeout, "10 ms", [&] { b->receive_any(10ms); });
}

TEST(Loopback, CountsFrames) {
    auto [a, b] = make_loopback(quick());
    a->send(message(some_type::kStart, 100));
    a->send(message(some_type::kFinish, 0));
    EXPECT_EQ(a->traffic().bytes_sent, 132u);
    EXPECT_EQ(a->traffic().messages_sent, 2u);
    EXPECT_EQ(a->traffic().bytes_received, 0u);
    EXPECT_EQ(b->traffic().bytes_received, 132u);
    EXPECT_EQ(b->traffic().messages_received, 2u);
    EXPECT_EQ(b->traffic().bytes_sent, 0u);
}

TEST(Loopback, TimesOutAndStaysUsable) {
    auto [a, b] = make_loopback(quick(50ms));
    expect_error(ErrorKind::kTimeout, "no type 3 message within 50 ms",
                 [&, end = a.get()] { end->receive(some_type::kServerHello); });
    b->send(message(some_type::kServerHello, 3));
    EXPECT_EQ(a->receive(some_type::kServerHello).payload.size(), 3u);
}

TEST(Loopback, WakesAWaiterFromAnotherThread) {
    auto [a, b] = make_loopback(quick(5s));
    auto waiting = std::async(std::launch::async, [end = b.get()] { return end->receive(some_type::kStart); });
    a->send(message(some_type::kStart, 7));
    EXPECT_EQ(waiting.get().payload.size(), 7u);
}

TEST(Loopback, FailReachesThePeerAheadOfQueuedMessages) {
    auto [a, b] = make_loopback(quick());
    a->send(message(some_type::kStart, 1));
    a->fail("the model is \x1b[31mgone\n");
    auto* end = b.get();
    expect_error(ErrorKind::kRemote, "the model is ?[31mgone?", [&] { end->receive(some_type::kStart); });
    expect_error(ErrorKind::kRemote, "gone", [&] { end->send(message(some_type::kStart, 1)); });
    auto* failed = a.get();
    expect_error(ErrorKind::kNetwork, "this side has closed", [&] { failed->receive(some_type::kStart); });
}

TEST(Loopback, CloseLetsQueuedMessagesBeTaken) {
    auto [a, b] = make_loopback(quick(5s));
    a->send(message(some_type::kResultShare, 5));
    a.reset();
    EXPECT_EQ(b->receive(some_type::kResultShare).payload.size(), 5u);
    auto* end = b.get();
    expect_error(ErrorKind::kNetwork, "closed the connection during the wait for its type 11 message",
                 [&] { end->receive(some_type::kFinish); });
    expect_error(ErrorKind::kNetwork, "closed", [&] { end->send(message(some_type::kStart, 1)); });
}

TEST(Loopback, LimitsOnePayload) {
    auto options = quick();
    options.limits.max_payload = 100;
    auto [a, b] = make_loopback(options);
    auto *first = a.get(), *second = b.get();
    expect_error(ErrorKind::kInternal, "size limit", [&] { first->send(message(some_type::kStart, 101)); });
    Limits wider = options.limits;
    wider.max_payload = 1000;
    a->set_limits(wider);
    a->send(message(some_type::kStart, 101));
    expect_error(ErrorKind::kProtocol, "declares 101 bytes; the limit is 100",
                 [&] { second->receive(some_type::kStart); });
    expect_error(ErrorKind::kRemote, "declares 101 bytes", [&] { first->receive(some_type::kStartReply); });
}

TEST(Loopback, LimitsWhatIsQueued) {
    auto options = quick();
    options.limits.max_queued = 10'000;
    auto [a, b] = make_loopback(options);
    auto *first = a.get(), *second = b.get();
    expect_error(ErrorKind::kRemote, "ahead of what was asked for", [&] {
        for (int i = 0; i < 1000; ++i) first->send(message(some_type::kUpload, 0));
    });
    expect_error(ErrorKind::kProtocol, "more than 10000 bytes", [&] { second->receive(some_type::kUpload); });
}

TEST(Loopback, WindowHoldsTheSenderBack) {
    auto options = quick(100ms);
    options.window = 1000;
    auto [a, b] = make_loopback(options);
    auto *first = a.get(), *second = b.get();
    first->send(message(some_type::kUpload, 5000));  // alone, a message of any size may pass
    expect_error(ErrorKind::kTimeout, "took no data within 100 ms",
                 [&] { first->send(message(some_type::kUpload, 1)); });
    auto sending = std::async(std::launch::async, [&] {
        for (int i = 0; i < 20; ++i) first->send(message(some_type::kUpload, 600));
    });
    for (int i = 0; i < 21; ++i) second->receive(some_type::kUpload);
    sending.get();
}

TEST(Loopback, TapRecordsDropsAndChanges) {
    std::vector<Message> seen;
    auto options = quick();
    options.first_to_second = [&](Message m) -> std::optional<Message> {
        seen.push_back(m);
        if (m.type == some_type::kStart) return std::nullopt;
        m.payload.push_back(99);
        return m;
    };
    auto [a, b] = make_loopback(options);
    a->send(message(some_type::kStart, 4));
    a->send(message(some_type::kUpload, 4));
    EXPECT_EQ(b->receive_any(10ms).payload.size(), 5u);
    ASSERT_EQ(seen.size(), 2u);
    expect_same(seen[0], message(some_type::kStart, 4));
    EXPECT_EQ(a->traffic().bytes_sent, 40u);
    EXPECT_EQ(b->traffic().bytes_received, 21u);
}

TEST(Loopback, TapCanMakeAnUnknownType) {
    auto options = quick();
    options.second_to_first = [](Message m) -> std::optional<Message> {
        m.type = static_cast<MessageType>(999);
        return m;
    };
    auto [a, b] = make_loopback(options);
    b->send(message(some_type::kServerHello, 4));
    auto* end = a.get();
    expect_error(ErrorKind::kProtocol, "unknown type 999", [&] { end->receive(some_type::kServerHello); });
}

TEST(Loopback, ClosingOneEndWakesABlockedSender) {
    auto options = quick(5s);
    options.window = 10;
    auto [a, b] = make_loopback(options);
    a->send(message(some_type::kUpload, 100));
    auto sending = std::async(std::launch::async, [end = a.get()] { end->send(message(some_type::kUpload, 100)); });
    std::this_thread::sleep_for(20ms);
    b.reset();
    expect_error(ErrorKind::kNetwork, "closed", [&] { sending.get(); });
}

TEST(Loopback, SentencesHaveTheNamesOfTheLimits) {
    auto [a, b] = make_loopback();
    Limits limits;
    limits.timeout = std::chrono::milliseconds(10);
    limits.name_of = [](MessageType) { return "birthday"; };
    a->set_limits(limits);
    expect_error(ErrorKind::kTimeout, "sent no birthday message within 10 ms", [&] { a->receive(some_type::kStart); });
}

}  // namespace
}  // namespace flash::transport
