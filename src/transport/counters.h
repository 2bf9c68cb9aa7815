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
    void sent(const Message& message) { sent(frame_bytes(message)); }
    void received(const Message& message) { received(frame_bytes(message)); }
    /// One message, of so many bytes with its header.
    void sent(std::uint64_t bytes) {
        bytes_sent_ += bytes;
        ++messages_sent_;
    }
    /// Takes a sent() back.
    void not_sent(std::uint64_t bytes) {
        bytes_sent_ -= bytes;
        --messages_sent_;
    }
    void received(std::uint64_t bytes) {
        bytes_received_ += bytes;
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
