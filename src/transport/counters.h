// Counters behind Channel::traffic(). They count frames as they are on the wire, before TLS, so that the loopback and
// the TLS connection report the same numbers for the same run.
#pragma once

#include <atomic>
#include <cstdint>

#include "transport/channel.h"
#include "transport/frame.h"

namespace flash::transport {

class TrafficCounters {
public:
    void sent(const Message& message) {
        bytes_sent_ += frame_bytes(message);
        ++messages_sent_;
    }
    void received(const Message& message) {
        bytes_received_ += frame_bytes(message);
        ++messages_received_;
    }
    Traffic read() const { return {bytes_sent_, bytes_received_, messages_sent_, messages_received_}; }

private:
    std::atomic<std::uint64_t> bytes_sent_{0};
    std::atomic<std::uint64_t> bytes_received_{0};
    std::atomic<std::uint64_t> messages_sent_{0};
    std::atomic<std::uint64_t> messages_received_{0};
};

}  // namespace flash::transport
