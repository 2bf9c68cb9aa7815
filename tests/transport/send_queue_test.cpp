#include "transport/send_queue.h"

#include <gtest/gtest.h>

namespace flash::transport {
namespace {

Message message(MessageType type, std::uint32_t index, std::size_t bytes = 10) {
    return {type, 0, index, std::vector<std::uint8_t>(bytes)};
}

TEST(SendQueue, LetsWhatThePeerWaitsForPass) {
    SendQueue<Message> queue;
    queue.push(message(MessageType::kActivationKeys, 0));
    queue.push(message(MessageType::kLinearResponse, 1));
    queue.push(message(MessageType::kUpload, 2));
    queue.push(message(MessageType::kProductResponse, 3));
    queue.push(message(MessageType::kActivationKeys, 4));
    for (std::uint32_t index : {1u, 3u, 0u, 2u, 4u}) {
        ASSERT_FALSE(queue.empty());
        EXPECT_EQ(queue.pop().index, index);
    }
    EXPECT_TRUE(queue.empty());
}

TEST(SendQueue, CountsTheBytesThatAMessageWaitsFor) {
    SendQueue<Message> queue;
    queue.push(message(MessageType::kUpload, 0, 1000));
    queue.push(message(MessageType::kStart, 1, 10));
    EXPECT_EQ(queue.bytes_before(MessageType::kFinish), 10 + kFrameHeaderBytes);
    EXPECT_EQ(queue.bytes_before(MessageType::kActivationKeys), 1010 + 2 * kFrameHeaderBytes);
    queue.pop_ahead();
    EXPECT_EQ(queue.bytes(), 10 + kFrameHeaderBytes);
    queue.clear();
    EXPECT_EQ(queue.bytes_before(MessageType::kUpload), 0u);
    EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace flash::transport
