// What the protocol needs of a connection: typed, framed messages in order, with sizes that are declared and limited.
// Implementations: loopback (in memory, for tests), tls (TCP with TLS 1.3), shaped (an emulated link over one of them).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace flash::transport {

/// The kind of a message: a number below kMessageTypes whose meaning is the user's (protocol/message_types.h) and part
/// of the wire format. One kind is the transport's own.
enum class MessageType : std::uint16_t {
    kError = 1,  ///< both: a sentence of at most 1024 bytes; the sender closes afterwards, or its lane (kLaneError)
};
inline constexpr std::uint16_t kMessageTypes = 14;
constexpr bool is_known(std::uint16_t type) { return type >= 1 && type < kMessageTypes; }
/// "type 7": for sentences, where nobody has given better names.
const char* number_of(MessageType type);
/// Message::index of a kError message that ends its lane only, where there are several (transport/lanes.h).
inline constexpr std::uint32_t kLaneError = 1;

struct Message {
    MessageType type{};
    std::uint32_t layer = 0;  ///< which layer it belongs to; 0 where there is none
    std::uint32_t index = 0;  ///< position among the messages of that type and layer
    std::vector<std::uint8_t> payload;
    /// Whether it is sent before the peer has any use for it: then it lets all others pass (transport/send_queue.h).
    /// Of a type and lane, none that is not sent ahead may follow one that is. For the sender only; it does not travel.
    bool ahead = false;
    std::uint16_t lane = 0;  ///< of several conversations on one connection (transport/lanes.h)
};

/// Bytes of a frame before its payload: u32 payload size, u16 type, u16 lane, u32 layer, u32 index; little-endian.
inline constexpr std::size_t kFrameHeaderBytes = 16;

struct Traffic {
    std::uint64_t bytes_sent = 0;  ///< frames with headers, before TLS
    std::uint64_t bytes_received = 0;
    std::uint64_t messages_sent = 0;
    std::uint64_t messages_received = 0;
};

struct Limits {
    std::size_t max_payload = std::size_t{4} << 20;      ///< one message; checked before allocation
    std::size_t max_queued = std::size_t{512} << 20;     ///< received and not yet consumed; more is a protocol error
    std::size_t max_send_queue = std::size_t{64} << 20;  ///< send() blocks above this (back-pressure)
    std::size_t lanes = 1;                               ///< a message of another lane is a protocol error
    std::chrono::milliseconds timeout{30'000};           ///< longest wait in receive(), and for progress of send()
    const char* (*name_of)(MessageType) = number_of;     ///< what sentences call a type of message
};

/// One end of a connection. Received messages wait in one queue per type, so that what was streamed ahead of need does
/// not block the rest. send() and receive() may be called from different threads; each receive() by one thread per
/// type.
class Channel {
public:
    virtual ~Channel() = default;
    /// Queues a message; blocks while the send queue is full. Messages of one type arrive in the order in which they
    /// were sent; those that are sent ahead of need let all others pass. Throws Error(kTimeout) if a full queue does
    /// not move for the limit, and once the connection is broken what receive() would throw (kRemote, kNetwork,
    /// kProtocol).
    virtual void send(Message message) = 0;
    /// send() if it need not block; otherwise false, and the message stays as it is. (A channel that cannot tell
    /// sends.)
    virtual bool try_send(Message& message) {
        send(std::move(message));
        return true;
    }
    /// Next message of this type. Throws Error(kTimeout) after the limit, kRemote with the peer's sentence if it sent
    /// kError, kNetwork if the connection ended, kProtocol if the peer broke the framing rules. Messages that arrived
    /// before a closed connection are still delivered; the peer's kError and broken rules take effect at once.
    /// A timeout leaves the channel usable.
    virtual Message receive(MessageType type) = 0;
    /// Like receive, but of any type that is in the queue, waiting up to `wait` (used by a server between inferences).
    virtual Message receive_any(std::chrono::milliseconds wait) = 0;
    /// For what is sent and what arrives from now on.
    virtual void set_limits(const Limits& limits) = 0;
    virtual Traffic traffic() const = 0;
    /// What has broken the connection, as send() would throw it now; nothing while it works.
    virtual std::optional<Error> error() const = 0;
    /// Sends a kError message if the connection still works, then closes. Never throws.
    virtual void fail(const std::string& sentence) noexcept = 0;
    /// Waits until everything queued has been sent, then closes politely.
    virtual void close() noexcept = 0;
};

}  // namespace flash::transport
