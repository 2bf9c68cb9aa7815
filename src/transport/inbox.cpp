#include "transport/inbox.h"

#include <utility>

#include "transport/frame.h"

namespace flash::transport {

namespace {

// What a queued message costs: a peer that sends millions of empty messages fills memory too.
std::size_t cost(const Message& message) { return message.payload.capacity() + sizeof(Message); }

}  // namespace

Inbox::Inbox(std::string peer, const Limits& limits)
    : peer_(std::move(peer)),
      max_queued_(limits.max_queued),
      has_lanes_(limits.lanes > 1),
      name_of_(limits.name_of) {}

void Inbox::set_limits(const Limits& limits) {
    const std::lock_guard lock(mutex_);
    max_queued_ = limits.max_queued;
    has_lanes_ = limits.lanes > 1;
    name_of_ = limits.name_of;
}

void Inbox::push(std::span<Message> messages) {
    {
        const std::lock_guard lock(mutex_);
        for (Message& message : messages) push_locked(message);
    }
    arrived_.notify_all();  // after unlocking, or the waiter would wake only to wait for the mutex
}

void Inbox::push_locked(Message& message) {
    if (state_ != State::kOpen) return;
    if (message.type == MessageType::kError && !(has_lanes_ && message.index == kLaneError)) {
        fail_locked(ErrorKind::kRemote, peer_ + " reported: " + error_sentence(message.payload));
        return;
    }
    const std::size_t bytes = cost(message);
    if (queued_bytes_ + bytes > max_queued_) {
        throw Error(ErrorKind::kProtocol,
                    peer_ + " sent more than " + std::to_string(max_queued_) + " bytes ahead of what was asked for");
    }
    queued_bytes_ += bytes;
    queues_.at(static_cast<std::size_t>(message.type)).push_back({pushed_++, std::move(message)});
}

void Inbox::end(const std::string& sentence) {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kOpen) return;
    state_ = State::kEnded;
    kind_ = ErrorKind::kNetwork;
    sentence_ = sentence;
    arrived_.notify_all();
    taken_.notify_all();
}

void Inbox::fail(ErrorKind kind, const std::string& sentence) {
    const std::lock_guard lock(mutex_);
    fail_locked(kind, sentence);
}

void Inbox::fail_locked(ErrorKind kind, const std::string& sentence) {
    if (state_ == State::kFailed) return;
    state_ = State::kFailed;
    kind_ = kind;
    sentence_ = sentence;
    for (auto& queue : queues_) queue.clear();
    queued_bytes_ = 0;
    arrived_.notify_all();
    taken_.notify_all();
}

Message Inbox::take(MessageType type, std::chrono::milliseconds timeout) {
    auto& queue = queues_.at(static_cast<std::size_t>(type));
    const char* const name = [&] {
        const std::lock_guard lock(mutex_);
        return name_of_(type);
    }();
    return take_when([&] { return queue.empty() ? nullptr : &queue; }, timeout, name);
}

Message Inbox::take_any(std::chrono::milliseconds timeout) {
    return take_when([&] { return oldest(); }, timeout, "next");
}

template <class Find>
Message Inbox::take_when(Find find, std::chrono::milliseconds timeout, const std::string& waiting_for) {
    std::unique_lock lock(mutex_);
    std::deque<Entry>* queue = nullptr;
    const bool ready = arrived_.wait_for(lock, timeout, [&] {
        queue = find();
        return queue != nullptr || state_ != State::kOpen;
    });
    if (!ready) {
        throw Error(ErrorKind::kTimeout,
                    peer_ + " sent no " + waiting_for + " message within " + std::to_string(timeout.count()) + " ms");
    }
    if (queue == nullptr) throw_state(waiting_for);
    return pop(*queue);
}

Message Inbox::pop(std::deque<Entry>& queue) {
    Message message = std::move(queue.front().message);
    queue.pop_front();
    queued_bytes_ -= cost(message);
    ++taken_count_;
    taken_.notify_all();
    return message;
}

std::deque<Inbox::Entry>* Inbox::oldest() {
    std::deque<Entry>* found = nullptr;
    for (auto& queue : queues_) {
        if (!queue.empty() && (found == nullptr || queue.front().order < found->front().order)) found = &queue;
    }
    return found;
}

void Inbox::throw_state(const std::string& waiting_for) const {
    if (state_ == State::kFailed) throw Error(kind_, sentence_);
    throw Error(kind_, sentence_ + " during the wait for its " + waiting_for + " message");
}

bool Inbox::ready(MessageType type) const {
    const std::lock_guard lock(mutex_);
    return state_ != State::kOpen || !queues_.at(static_cast<std::size_t>(type)).empty();
}

std::optional<Error> Inbox::error() const {
    const std::lock_guard lock(mutex_);
    if (state_ == State::kOpen) return std::nullopt;
    return Error(kind_, sentence_);
}

std::size_t Inbox::queued_bytes() const {
    const std::lock_guard lock(mutex_);
    return queued_bytes_;
}

bool Inbox::wait_for_room(std::size_t bytes, std::size_t window, std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    const auto fits = [&] { return state_ != State::kOpen || queued_bytes_ == 0 || queued_bytes_ + bytes <= window; };
    while (!fits()) {
        const std::uint64_t before = taken_count_;
        const bool progress = taken_.wait_for(lock, timeout, [&] { return fits() || taken_count_ != before; });
        if (!progress) return false;
    }
    return true;
}

}  // namespace flash::transport
