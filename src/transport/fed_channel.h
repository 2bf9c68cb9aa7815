// A channel whose bytes somebody else moves, as a web page has to: what arrives is fed in, what is to be sent is taken
// out, and nothing waits. Any thread may send and fail it; the rest is for one.
#pragma once

#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "transport/channel.h"
#include "transport/frame.h"
#include "transport/inbox.h"

namespace flash::transport {

class FedChannel final : public Channel {
public:
    /// `peer` names the other side in sentences.
    explicit FedChannel(std::string peer, const Limits& limits = {});

    /// The next bytes of the stream, however it was split. Error(kProtocol) where the peer breaks the framing rules;
    /// the channel is then closed, with a word to the peer.
    void feed(std::span<const std::uint8_t> bytes);
    /// The peer sends no more.
    void end();
    /// Whether receive() of this type returns or throws at once for another reason than the time.
    bool ready(MessageType type) const { return inbox_.ready(type); }
    /// Frames that are to be sent, in order.
    std::vector<std::uint8_t> take_outgoing();
    /// Nothing is to be sent any more, and nothing that arrives counts.
    bool closed() const {
        const std::lock_guard lock(mutex_);
        return closed_;
    }

    void send(Message message) override;
    /// Error(kTimeout) where no such message is there: nothing can come while this waits.
    Message receive(MessageType type) override;
    Message receive_any(std::chrono::milliseconds wait) override;
    void set_limits(const Limits& limits) override;
    Traffic traffic() const override {
        const std::lock_guard lock(mutex_);
        return traffic_;
    }
    std::optional<Error> error() const override { return inbox_.error(); }
    void fail(const std::string& sentence) noexcept override;
    void close() noexcept override;

private:
    /// With the mutex held.
    void put(const Message& message);

    const std::string peer_;
    Limits limits_;
    FrameDecoder decoder_;
    Inbox inbox_;
    mutable std::mutex mutex_;  // for what follows
    std::vector<std::uint8_t> outgoing_;
    Traffic traffic_;
    bool closed_ = false;
};

}  // namespace flash::transport
