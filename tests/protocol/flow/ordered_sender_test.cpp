#include "protocol/flow/ordered_sender.h"

#include <gtest/gtest.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <chrono>

#include "protocol/message_types.h"
#include "transport/loopback.h"

namespace flash::protocol {
namespace {

using transport::Message;

Message message(std::size_t index) {
    return {message_type::kLinearResponse, 3, static_cast<std::uint32_t>(index),
            std::vector<std::uint8_t>(512, static_cast<std::uint8_t>(index))};
}

/// A channel that takes two messages at a time from a sender whose peer does not read.
auto narrow_channel(std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
    transport::LoopbackOptions options;
    options.window = 1100;
    options.limits.timeout = timeout;
    return transport::make_loopback(std::move(options));
}

void put_all(OrderedSender& sender, std::size_t count) {
    tbb::parallel_for(std::size_t{0}, count, [&](std::size_t i) { sender.put(count - 1 - i, message(count - 1 - i)); });
}

ErrorKind kind_of(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const Error& error) {
        return error.kind();
    }
}

TEST(OrderedSender, AFastPeerNeedsNoThread) {
    auto [near, far] = transport::make_loopback({});
    SendThread helper;
    Profile profile(Party::kServer);
    OrderedSender sender(*near, helper, 40, &profile, 3);
    put_all(sender, 40);
    sender.finish();
    for (std::uint32_t i = 0; i < 40; ++i) EXPECT_EQ(far->receive(message_type::kLinearResponse).index, i);
    std::uint64_t bytes = 0;
    for (const Profile::Span& span : profile.spans()) bytes += span.bytes_sent;
    EXPECT_EQ(bytes, 40 * (512 + transport::kFrameHeaderBytes));
}

TEST(OrderedSender, ASlowPeerHoldsNoTask) {
    for (int threads : {1, 2}) {
        auto [near, far] = narrow_channel();
        SendThread helper;
        Profile profile(Party::kServer);
        OrderedSender sender(*near, helper, 40, &profile, 3);
        // Nobody reads until all tasks are done: if one of them waited for the peer, this would not end.
        tbb::task_arena arena(threads);
        arena.execute([&] { put_all(sender, 40); });
        for (std::uint32_t i = 0; i < 40; ++i) {
            const Message got = far->receive(message_type::kLinearResponse);
            EXPECT_EQ(got.index, i);
            EXPECT_EQ(got.payload, message(i).payload);
        }
        sender.finish();
        EXPECT_FALSE(sender.failure());
        std::uint64_t bytes = 0;
        for (const Profile::Span& span : profile.spans()) bytes += span.bytes_sent;
        EXPECT_EQ(bytes, 40 * (512 + transport::kFrameHeaderBytes));
    }
}

TEST(OrderedSender, SeveralLayersShareTheThread) {
    auto [near, far] = narrow_channel();
    SendThread helper;
    for (int layer = 0; layer < 5; ++layer) {
        OrderedSender sender(*near, helper, 10, nullptr, layer);
        put_all(sender, 10);
        std::thread reader([&, &end = *far] {
            for (std::uint32_t i = 0; i < 10; ++i) EXPECT_EQ(end.receive(message_type::kLinearResponse).index, i);
        });
        sender.finish();
        reader.join();
    }
}

TEST(OrderedSender, APeerThatTakesNothingIsAnErrorInTime) {
    auto [near, far] = narrow_channel(std::chrono::milliseconds(50));
    SendThread helper;
    OrderedSender sender(*near, helper, 40, nullptr, 3);
    put_all(sender, 40);
    EXPECT_THROW(sender.finish(), Error);
    EXPECT_EQ(kind_of(sender.failure()), ErrorKind::kTimeout);
    EXPECT_TRUE(near->error()) << "whoever waits for the peer must be woken";
    sender.put(0, message(0));  // nothing happens any more
}

TEST(OrderedSender, APeerThatDiesIsAnError) {
    auto [near, far] = narrow_channel();
    SendThread helper;
    OrderedSender sender(*near, helper, 40, nullptr, 3);
    put_all(sender, 40);
    far->close();
    EXPECT_THROW(sender.finish(), Error);
    EXPECT_EQ(kind_of(sender.failure()), ErrorKind::kNetwork);
}

TEST(OrderedSender, AnErrorOfTheCallersEndsTheWaiting) {
    const auto begin = std::chrono::steady_clock::now();
    {
        auto [near, far] = narrow_channel(std::chrono::hours(1));
        SendThread helper;
        OrderedSender sender(*near, helper, 40, nullptr, 3);
        put_all(sender, 40);
        // Left without finish(), as after an exception; the queue is full and stays so.
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::minutes(1));
}

TEST(OrderedSender, ABrokenChannelThrowsWhereItIsFound) {
    auto [near, far] = transport::make_loopback({});
    far->close();
    SendThread helper;
    OrderedSender sender(*near, helper, 4, nullptr, 3);
    EXPECT_NO_THROW(sender.put(1, message(1)));  // not its turn yet
    EXPECT_THROW(sender.put(0, message(0)), Error);
    EXPECT_NO_THROW(sender.put(2, message(2)));
    EXPECT_THROW(sender.finish(), Error);
}

}  // namespace
}  // namespace flash::protocol
