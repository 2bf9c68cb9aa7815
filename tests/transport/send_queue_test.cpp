#include "transport/send_queue.h"

#include <gtest/gtest.h>

#include "some_type.h"

namespace flash::transport {
namespace {

Message message(MessageType type, std::uint32_t index, std::size_t bytes = 10) {
    return {type, 0, index, std::vector<std::uint8_t>(bytes), some_type::is_ahead(type)};
}

TEST(SendQueue, LetsWhatThePeerWaitsForPass) {
    SendQueue<Message> queue;
    queue.push(message(some_type::kServerVectors, 0));
    queue.push(message(some_type::kLinearResponse, 1));
    queue.push(message(some_type::kUpload, 2));
    queue.push(message(some_type::kProductResponse, 3));
    queue.push(message(some_type::kServerVectors, 4));
    for (std::uint32_t index : {1u, 3u, 0u, 2u, 4u}) {
        ASSERT_FALSE(queue.empty());
        EXPECT_EQ(queue.pop().index, index);
    }
    EXPECT_TRUE(queue.empty());
}

TEST(SendQueue, CountsTheBytesThatAMessageWaitsFor) {
    SendQueue<Message> queue;
    queue.push(message(some_type::kUpload, 0, 1000));
    queue.push(message(some_type::kStart, 1, 10));
    EXPECT_EQ(queue.bytes_before(message(some_type::kFinish, 2)), 10 + kFrameHeaderBytes);
    EXPECT_EQ(queue.bytes_before(message(some_type::kServerVectors, 2)), 1010 + 2 * kFrameHeaderBytes);
    queue.pop_ahead();
    EXPECT_EQ(queue.bytes(), 10 + kFrameHeaderBytes);
    queue.clear();
    EXPECT_EQ(queue.bytes_before(message(some_type::kUpload, 2)), 0u);
    EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace flash::transport
