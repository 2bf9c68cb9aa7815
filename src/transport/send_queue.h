// Messages that wait for the line, of two kinds: those that the peer is waiting for, and those that are sent ahead of
// need (Message::ahead), which leave only when nothing of the first kind waits. What runs ahead runs far: without this
// order every answer would stand behind tens of megabytes of it. Messages of one type and lane keep their order, as
// those of the second kind are the last of them, which is all that a receiver relies on. Not thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <utility>

#include "transport/channel.h"
#include "transport/frame.h"

namespace flash::transport {

/// Item: a Message, or something with a Message `message`.
template <class Item>
class SendQueue {
public:
    void push(Item item) {
        const Message& message = message_of(item);
        const bool ahead = message.ahead;
        (ahead ? ahead_bytes_ : now_bytes_) += frame_bytes(message);
        (ahead ? ahead_ : now_).push_back(std::move(item));
    }
    bool empty() const { return now_.empty() && ahead_.empty(); }
    /// Bytes of frames that this message would wait for.
    std::size_t bytes_before(const Message& message) const { return now_bytes_ + (message.ahead ? ahead_bytes_ : 0); }
    std::size_t bytes() const { return now_bytes_ + ahead_bytes_; }
    /// The first of each kind, null where there is none.
    const Item* first_now() const { return now_.empty() ? nullptr : &now_.front(); }
    const Item* first_ahead() const { return ahead_.empty() ? nullptr : &ahead_.front(); }
    /// Takes the first of the kind that waits for nothing, or of the other. Must not be empty.
    Item pop() { return now_.empty() ? pop_ahead() : take(now_, now_bytes_); }
    Item pop_ahead() { return take(ahead_, ahead_bytes_); }
    void clear() {
        now_.clear();
        ahead_.clear();
        now_bytes_ = ahead_bytes_ = 0;
    }

private:
    static const Message& message_of(const Message& message) { return message; }
    static const Message& message_of(const auto& item) { return item.message; }
    static Item take(std::deque<Item>& from, std::size_t& bytes) {
        Item item = std::move(from.front());
        from.pop_front();
        bytes -= frame_bytes(message_of(item));
        return item;
    }

    std::deque<Item> now_, ahead_;
    std::size_t now_bytes_ = 0, ahead_bytes_ = 0;
};

}  // namespace flash::transport
