#include "transport/lanes.h"

#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "base/error.h"
#include "transport/counters.h"
#include "transport/frame.h"
#include "transport/inbox.h"

namespace flash::transport {

namespace {
/// How often a lane looks whether a line that was full has room.
constexpr std::chrono::milliseconds kRetry{2};
}  // namespace

class Lanes::Lane final : public Channel {
public:
    Lane(Channel& line, std::uint16_t number, const Limits& limits, const std::string& peer)
        : line_(line),
          number_(number),
          peer_(peer),
          limits_(limits),
          inbox_(peer, limits) {}

    void send(Message message) override {
        // The line's own send() would not see that the lane has ended. Others that get on are progress, too.
        const std::chrono::milliseconds patience = timeout();
        std::uint64_t seen = line_.traffic().messages_sent;
        auto since = std::chrono::steady_clock::now();
        while (!try_send(message)) {
            std::this_thread::sleep_for(kRetry);
            const auto now = std::chrono::steady_clock::now();
            if (const std::uint64_t sent = line_.traffic().messages_sent; sent != seen)
                seen = sent, since = now;
            else if (now - since > patience)
                throw Error(ErrorKind::kTimeout,
                            peer_ + " took no data within " + std::to_string(patience.count()) + " ms");
        }
    }
    bool try_send(Message& message) override {
        begin(message);
        const std::uint64_t bytes = frame_bytes(message);
        counters_.sent(bytes);
        if (line_.try_send(message)) return true;
        counters_.not_sent(bytes);
        return false;
    }
    Message receive(MessageType type) override { return inbox_.take(type, timeout()); }
    Message receive_any(std::chrono::milliseconds wait) override { return inbox_.take_any(wait); }
    void set_limits(const Limits& limits) override {
        const std::lock_guard lock(mutex_);
        limits_ = limits;
        inbox_.set_limits(limits);
    }
    Traffic traffic() const override { return counters_.read(); }
    std::optional<Error> error() const override { return inbox_.error(); }
    void fail(const std::string& sentence) noexcept override {
        try {
            if (!inbox_.error()) {
                Message error = make_error(sentence);
                error.index = kLaneError;
                try_send(error);
            }
        } catch (...) {
            // Best effort, as on a line that is full: the peer waits in vain then.
        }
        close();
    }
    void close() noexcept override {
        try {
            end(ErrorKind::kNetwork, "this side has ended it");
        } catch (...) {
            // Out of memory while building a sentence: nothing left to tell.
        }
    }

    void put(Message message) {
        if (message.type == MessageType::kError)
            return end(ErrorKind::kRemote, peer_ + " reported: " + error_sentence(message.payload));
        // Counted before anybody can see that it is there, as in send().
        counters_.received(message);
        inbox_.push(std::move(message));
    }
    void end(ErrorKind kind, const std::string& sentence) { inbox_.fail(kind, sentence); }
    /// Nothing more comes; what is here can still be taken.
    void finish(const std::string& sentence) { inbox_.end(sentence); }

private:
    void begin(Message& message) {
        if (const std::optional<Error> broken = inbox_.error()) throw Error(*broken);
        message.lane = number_;
    }
    std::chrono::milliseconds timeout() const {
        const std::lock_guard lock(mutex_);
        return limits_.timeout;
    }

    Channel& line_;
    const std::uint16_t number_;
    const std::string peer_;
    mutable std::mutex mutex_;
    Limits limits_;
    Inbox inbox_;
    TrafficCounters counters_;
};

Lanes::Lanes(Channel& line, std::size_t count, const Limits& each, const std::string& peer) : line_(line) {
    require(count >= 1 && count <= 0xffff, ErrorKind::kInternal, "the number of lanes does not fit a frame");
    for (std::size_t i = 0; i < count; ++i)
        lanes_.push_back(std::make_unique<Lane>(line, static_cast<std::uint16_t>(i), each, peer));
    Limits limits = each;
    limits.lanes = count;
    // Messages rest in the line's own queue for a moment only, but all lanes may be full in that moment.
    limits.max_queued = count * each.max_queued;
    line_.set_limits(limits);
}

Lanes::~Lanes() = default;

Channel& Lanes::lane(std::size_t number) { return *lanes_.at(number); }

std::optional<Lanes::Arrival> Lanes::deliver(std::chrono::milliseconds wait,
                                             const std::function<void(const Arrival& arrival)>& look) {
    try {
        Message message = line_.receive_any(wait);
        const Arrival arrival{message.lane, message.type};
        if (look) look(arrival);
        lanes_.at(message.lane)->put(std::move(message));
        return arrival;
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::kTimeout) return std::nullopt;
        const Error why = line_.error().value_or(error);
        if (why.kind() == ErrorKind::kNetwork)
            close(why.what());
        else
            fail(why.kind(), why.what());
        throw;
    } catch (...) {
        fail(ErrorKind::kInternal, "a message could not be taken");
        throw;
    }
}

void Lanes::close(const std::string& sentence) {
    for (const auto& lane : lanes_) lane->finish(sentence);
}

void Lanes::fail(ErrorKind kind, const std::string& sentence) {
    for (const auto& lane : lanes_) lane->end(kind, sentence);
}

}  // namespace flash::transport
