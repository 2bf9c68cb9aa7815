// Where received messages wait until they are asked for: one queue per type under one limit of bytes, and the state of
// the incoming direction (open, ended, failed).
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "transport/channel.h"

namespace flash::transport {

/// Thread-safe. The network side calls push/end/fail, the protocol side calls take/take_any.
class Inbox {
public:
    /// `peer` names the other side in sentences, e.g. "the server".
    Inbox(std::string peer, const Limits& limits);

    void set_limits(const Limits& limits);
    /// Queues a message and wakes its waiter. A kError message fails the inbox with the peer's sentence (kRemote),
    /// unless it is of one of several lanes.
    /// After end() or fail() messages are dropped. Throws Error(kProtocol), without a change of state, if more than
    /// Limits::max_queued bytes would be queued (sizeof(Message) included for each message); the caller then fails it.
    void push(Message message) { push(std::span(&message, 1)); }
    /// The same for several at once, taken from there: the waiter is woken only once. Those before the one that throws
    /// stay queued.
    void push(std::span<Message> messages);
    /// The peer sends no more. What is queued can still be taken; after that every take throws kNetwork.
    void end(const std::string& sentence);
    /// Every take from now on throws this error, whatever is queued; queued messages are dropped. The first failure
    /// wins.
    void fail(ErrorKind kind, const std::string& sentence);

    /// Next message of this type; waits up to `timeout`, then throws Error(kTimeout).
    Message take(MessageType type, std::chrono::milliseconds timeout);
    /// Next message in order of arrival, of whatever type.
    Message take_any(std::chrono::milliseconds timeout);

    /// Whether take() of this type would return, or throw something else than kTimeout, without waiting.
    bool ready(MessageType type) const;
    /// The error that a waiter would get now if nothing were queued; nothing while the inbox is open.
    std::optional<Error> error() const;
    /// Bytes that count against Limits::max_queued.
    std::size_t queued_bytes() const;
    /// Waits until a message of `bytes` fits under `window` (or nothing is queued, or the inbox is no longer open).
    /// Returns false if nothing at all was taken for `timeout`.
    bool wait_for_room(std::size_t bytes, std::size_t window, std::chrono::milliseconds timeout);

private:
    enum class State { kOpen, kEnded, kFailed };
    struct Entry {
        std::uint64_t order;
        Message message;
    };

    void push_locked(Message& message);
    Message pop(std::deque<Entry>& queue);
    std::deque<Entry>* oldest();
    [[noreturn]] void throw_state(const std::string& waiting_for) const;
    template <class Find>
    Message take_when(Find find, std::chrono::milliseconds timeout, const std::string& waiting_for);
    void fail_locked(ErrorKind kind, const std::string& sentence);

    const std::string peer_;
    mutable std::mutex mutex_;
    std::condition_variable arrived_;
    std::condition_variable taken_;
    std::size_t max_queued_;
    bool has_lanes_;
    const char* (*name_of_)(MessageType);
    std::array<std::deque<Entry>, kMessageTypes> queues_;  // indexed by type
    std::size_t queued_bytes_ = 0;
    std::uint64_t pushed_ = 0;
    std::uint64_t taken_count_ = 0;
    State state_ = State::kOpen;
    ErrorKind kind_ = ErrorKind::kNetwork;
    std::string sentence_;
};

}  // namespace flash::transport
