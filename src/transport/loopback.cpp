#include "transport/loopback.h"

#include <array>
#include <mutex>
#include <string>

#include "base/error.h"
#include "transport/counters.h"
#include "transport/frame.h"
#include "transport/inbox.h"

namespace flash::transport {

namespace {

constexpr const char* kPeer = "the other end";

// What one end owns; the other end writes to its inbox.
struct End {
    explicit End(const Limits& start) : inbox(kPeer, start), limits(start) {}

    Limits get_limits() const {
        const std::lock_guard lock(limits_mutex);
        return limits;
    }

    Inbox inbox;
    TrafficCounters counters;
    mutable std::mutex limits_mutex;
    Limits limits;
    std::mutex sending;  // keeps tap, counting and delivery of one message together
    Tap tap;             // of the direction away from this end
};

struct Link {
    explicit Link(LoopbackOptions options) : ends{End(options.limits), End(options.limits)}, window(options.window) {
        ends[0].tap = std::move(options.first_to_second);
        ends[1].tap = std::move(options.second_to_first);
    }
    std::array<End, 2> ends;
    std::optional<std::size_t> window;
};

class LoopbackChannel final : public Channel {
public:
    LoopbackChannel(std::shared_ptr<Link> link, std::size_t side)
        : link_(std::move(link)),
          own_(link_->ends[side]),
          peer_(link_->ends[1 - side]) {}
    ~LoopbackChannel() override { close(); }

    void send(Message message) override {
        const Limits limits = own_.get_limits();
        if (!wait_for_room(message, limits, limits.timeout))
            throw Error(ErrorKind::kTimeout,
                        std::string(kPeer) + " took no data within " + std::to_string(limits.timeout.count()) + " ms");
        deliver(std::move(message));
    }

    bool try_send(Message& message) override {
        if (!wait_for_room(message, own_.get_limits(), std::chrono::milliseconds(0))) return false;
        deliver(std::move(message));
        return true;
    }

    Message receive(MessageType type) override { return own_.inbox.take(type, own_.get_limits().timeout); }
    Message receive_any(std::chrono::milliseconds wait) override { return own_.inbox.take_any(wait); }

    void set_limits(const Limits& limits) override {
        const std::lock_guard lock(own_.limits_mutex);
        own_.limits = limits;
        own_.inbox.set_limits(limits);
    }

    Traffic traffic() const override { return own_.counters.read(); }
    std::optional<Error> error() const override { return own_.inbox.error(); }

    void fail(const std::string& sentence) noexcept override {
        try {
            if (!own_.inbox.error()) deliver(make_error(sentence));
        } catch (...) {
            // Best effort: the close below is all the peer learns then.
        }
        close();
    }

    void close() noexcept override {
        try {
            // In this order: a sender blocked on our inbox is woken by the second line and then looks at its own.
            peer_.inbox.end(std::string(kPeer) + " closed the connection");
            own_.inbox.fail(ErrorKind::kNetwork, "this side has closed the connection");
        } catch (...) {
            // Out of memory while building a sentence: nothing left to tell.
        }
    }

private:
    void throw_if_broken() const {
        if (const auto error = own_.inbox.error()) throw Error(*error);
    }

    bool wait_for_room(const Message& message, const Limits& limits, std::chrono::milliseconds timeout) {
        require(message.payload.size() <= limits.max_payload, ErrorKind::kInternal,
                "this side tried to send a message over its own size limit");
        throw_if_broken();
        if (link_->window && !peer_.inbox.wait_for_room(message.payload.size(), *link_->window, timeout)) return false;
        throw_if_broken();
        return true;
    }

    void deliver(Message message) {
        const std::lock_guard lock(own_.sending);
        own_.counters.sent(message);
        if (own_.tap) {
            auto passed = own_.tap(std::move(message));
            if (!passed) return;
            message = std::move(*passed);
        }
        try {
            check_frame(message, FrameLimits::of(peer_.get_limits()));
            peer_.counters.received(message);
            peer_.inbox.push(std::move(message));
        } catch (const Error& error) {
            // The receiving end gives up the connection and says why, as it does over TLS.
            peer_.inbox.fail(error.kind(), error.what());
            own_.inbox.fail(ErrorKind::kRemote, std::string(kPeer) + " reported: " + error.what());
        }
    }

    std::shared_ptr<Link> link_;
    End& own_;
    End& peer_;
};

}  // namespace

std::pair<std::unique_ptr<Channel>, std::unique_ptr<Channel>> make_loopback(LoopbackOptions options) {
    auto link = std::make_shared<Link>(std::move(options));
    return {std::make_unique<LoopbackChannel>(link, 0), std::make_unique<LoopbackChannel>(link, 1)};
}

}  // namespace flash::transport
