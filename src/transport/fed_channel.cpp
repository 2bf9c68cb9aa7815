#include "transport/fed_channel.h"

#include <utility>

namespace flash::transport {

FedChannel::FedChannel(std::string peer, const Limits& limits)
    : peer_(std::move(peer)),
      limits_(limits),
      decoder_(FrameLimits::of(limits)),
      inbox_(peer_, limits) {}

void FedChannel::feed(std::span<const std::uint8_t> bytes) {
    if (closed()) return;
    try {
        decoder_.feed(bytes, [this](Message message) {
            {
                const std::lock_guard lock(mutex_);
                ++traffic_.messages_received;
                traffic_.bytes_received += frame_bytes(message);
            }
            inbox_.push(std::move(message));
        });
    } catch (const Error& error) {
        fail(error.what());
        throw;
    }
}

void FedChannel::end() {
    inbox_.end(peer_ +
               (decoder_.in_frame() ? " closed the connection in the middle of a message" : " closed the connection"));
}

std::vector<std::uint8_t> FedChannel::take_outgoing() {
    const std::lock_guard lock(mutex_);
    return std::exchange(outgoing_, {});
}

void FedChannel::put(const Message& message) {
    ++traffic_.messages_sent;
    traffic_.bytes_sent += frame_bytes(message);
    const auto header = encode_header(message);
    outgoing_.insert(outgoing_.end(), header.begin(), header.end());
    outgoing_.insert(outgoing_.end(), message.payload.begin(), message.payload.end());
}

void FedChannel::send(Message message) {
    require(message.payload.size() <= limits_.max_payload, ErrorKind::kInternal,
            "this side tried to send a message over its own size limit");
    const std::lock_guard lock(mutex_);
    if (const std::optional<Error> broken = inbox_.error()) throw Error(*broken);
    put(message);
}

Message FedChannel::receive(MessageType type) { return inbox_.take(type, std::chrono::milliseconds(0)); }

Message FedChannel::receive_any(std::chrono::milliseconds) { return inbox_.take_any(std::chrono::milliseconds(0)); }

void FedChannel::set_limits(const Limits& limits) {
    limits_ = limits;
    decoder_.set_limits(FrameLimits::of(limits));
    inbox_.set_limits(limits);
}

void FedChannel::fail(const std::string& sentence) noexcept {
    try {
        const std::lock_guard lock(mutex_);
        if (!closed_ && !inbox_.error()) put(make_error(sentence));
    } catch (...) {
        // No memory for the sentence: the peer sees the end of the connection.
    }
    close();
}

void FedChannel::close() noexcept {
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }
    try {
        inbox_.fail(ErrorKind::kNetwork, "this side has closed the connection");
    } catch (...) {
        // No memory for the sentence; nothing is sent or taken any more in any case.
    }
}

}  // namespace flash::transport
