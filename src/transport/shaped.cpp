#include "transport/shaped.h"

#include <sys/prctl.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "transport/frame.h"
#include "transport/send_queue.h"

namespace flash::transport {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kClosedHere = "this side has closed the connection";
// How late the kernel may wake the thread of a link to save itself work; its default is 50 microseconds.
constexpr unsigned long kTimerSlackNanoseconds = 20'000;
// How late a frame may be delivered if others follow.
constexpr Clock::duration kGather = std::chrono::microseconds(50);

Clock::duration seconds(double value) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(value));
}

class ShapedChannel final : public Channel {
public:
    ShapedChannel(std::unique_ptr<Channel> inner, const LinkModel& link, const Limits& limits)
        : inner_(std::move(inner)),
          link_(link),
          delay_(seconds(link.round_trip_seconds / 2)),
          limits_(limits),
          thread_([this] { run(); }) {}

    ~ShapedChannel() override {
        close();
        thread_.join();
    }

    void send(Message message) override {
        std::unique_lock lock(mutex_);
        check_payload(message);
        const auto ready = [&] { return room_for(message); };
        const WaitingSender waiting(*this, ready());
        while (!ready()) {
            const std::uint64_t before = departed_;
            if (!room_.wait_for(lock, limits_.timeout, [&] { return ready() || departed_ != before; }))
                throw Error(ErrorKind::kTimeout,
                            "the link took no data within " + std::to_string(limits_.timeout.count()) + " ms");
        }
        queue(std::move(message));
    }

    bool try_send(Message& message) override {
        const std::lock_guard lock(mutex_);
        check_payload(message);
        if (!room_for(message)) return false;
        queue(std::move(message));
        return true;
    }

    Message receive(MessageType type) override { return inner_->receive(type); }
    Message receive_any(std::chrono::milliseconds wait) override { return inner_->receive_any(wait); }

    void set_limits(const Limits& limits) override {
        inner_->set_limits(limits);
        const std::lock_guard lock(mutex_);
        limits_ = limits;
        room_.notify_all();
    }

    Traffic traffic() const override {
        Traffic traffic = inner_->traffic();
        const std::lock_guard lock(mutex_);
        traffic.bytes_sent = sent_bytes_;
        traffic.messages_sent = sent_messages_;
        return traffic;
    }

    std::optional<Error> error() const override {
        if (auto error = inner_->error()) return error;
        const std::lock_guard lock(mutex_);
        if (broken_) return Error(broken_kind_, broken_text_);
        if (closing_) return Error(ErrorKind::kNetwork, kClosedHere);
        return std::nullopt;
    }

    void fail(const std::string& sentence) noexcept override {
        try {
            const bool tells = !error();
            stop();
            if (tells) {
                const std::lock_guard lock(mutex_);
                sent_bytes_ += frame_bytes(make_error(sentence));
                ++sent_messages_;
            }
            inner_->fail(sentence);
        } catch (...) {
            inner_->close();
        }
    }

    void close() noexcept override {
        try {
            std::unique_lock lock(mutex_);
            closing_ = true;
            room_.notify_all();
            changed_.notify_all();
            const auto empty = [&] { return idle_line() && !delivering_; };
            while (!empty() && !inner_->error()) {
                const std::uint64_t before = delivered_;
                // A frame that takes longer than the limit on this link is not worth waiting for.
                if (!room_.wait_for(lock, limits_.timeout, [&] { return empty() || delivered_ != before; })) break;
            }
        } catch (...) {
            // Only the waiting can fail; the rest is dropped then.
        }
        stop();
        inner_->close();
    }

private:
    struct Waiting {
        Clock::time_point since;
        Message message;
    };
    struct Frame {
        Clock::time_point departure;  ///< when its last bit has left
        Message message;
    };

    // While it exists, the thread also wakes when a frame departs, and not only when one arrives.
    class WaitingSender {
    public:
        WaitingSender(ShapedChannel& channel, bool ready) : channel_(channel), counts_(!ready) {
            if (!counts_) return;
            ++channel_.waiting_senders_;
            channel_.changed_.notify_one();
        }
        ~WaitingSender() { channel_.waiting_senders_ -= counts_; }
        WaitingSender(const WaitingSender&) = delete;
        WaitingSender& operator=(const WaitingSender&) = delete;

    private:
        ShapedChannel& channel_;  // its mutex is held when this is made and when it goes
        const bool counts_;
    };

    // These three with the mutex held.
    void check_payload(const Message& message) const {
        require(message.payload.size() <= limits_.max_payload, ErrorKind::kInternal,
                "this side tried to send a message over its own size limit");
    }

    bool room_for(const Message& message) {
        start_due(Clock::now());  // what is still counted may have left
        const std::size_t before = waiting_.bytes_before(message) + line_bytes_;
        return broken_ || closing_ || before == 0 || before + frame_bytes(message) <= limits_.max_send_queue;
    }

    void queue(Message message) {
        throw_if_broken();
        const auto now = Clock::now();
        start_due(now);
        sent_bytes_ += frame_bytes(message);
        ++sent_messages_;
        const bool idle = idle_line();
        waiting_.push({now, std::move(message)});
        start_due(now);
        if (idle) changed_.notify_one();  // otherwise the thread waits for an earlier moment already
    }

    void throw_if_broken() const {
        if (const auto error = inner_->error()) throw Error(*error);
        if (broken_) throw Error(broken_kind_, broken_text_);
        if (closing_) throw Error(ErrorKind::kNetwork, kClosedHere);
    }

    // Drops what has not been delivered and ends the thread.
    void stop() noexcept {
        const std::lock_guard lock(mutex_);
        closing_ = true;
        stopped_ = true;
        drop();
        changed_.notify_all();
    }

    void drop() noexcept {
        waiting_.clear();
        frames_.clear();
        line_bytes_ = 0;
        room_.notify_all();
    }

    bool idle_line() const { return waiting_.empty() && frames_.empty(); }

    /// Puts on the line what the line has had time for until `now`. When it becomes free, the first message that waits
    /// then goes, one that the peer waits for before one that is ahead of need. Moments are computed from the frames
    /// before, not from when this is called: being late does not add up.
    void start_due(Clock::time_point now) {
        const std::uint64_t before = departed_;
        for (;;) {
            if (line_bytes_ > 0 && line_free_ <= now) {
                line_bytes_ = 0;
                ++departed_;
            }
            if (waiting_.empty() || line_bytes_ > 0) break;
            const Waiting *first = waiting_.first_now(), *ahead = waiting_.first_ahead();
            const bool takes_ahead = !first || (ahead && first->since > line_free_ && ahead->since < first->since);
            Waiting next = takes_ahead ? waiting_.pop_ahead() : waiting_.pop();
            line_bytes_ = frame_bytes(next.message);
            line_free_ = std::max(line_free_, next.since) +
                         seconds(8 * static_cast<double>(line_bytes_) / link_.bits_per_second);
            frames_.push_back({line_free_, std::move(next.message)});
        }
        if (departed_ != before && waiting_senders_ > 0) room_.notify_all();
    }

    void run() {
        ::prctl(PR_SET_TIMERSLACK, kTimerSlackNanoseconds, 0, 0, 0);
        std::unique_lock lock(mutex_);
        while (!stopped_) {
            const auto now = Clock::now();
            start_due(now);
            if (idle_line()) {
                changed_.wait(lock);
            } else if (!frames_.empty() && frames_.front().departure + delay_ <= now) {
                deliver(lock);
            } else {
                // Frames that follow each other closely are delivered together: a wakeup for each would take the cores'
                // time.
                auto next = Clock::time_point::max();
                if (!frames_.empty()) {
                    next = frames_.front().departure + kGather;
                    if (waiting_.empty()) next = std::min(next, frames_.back().departure);
                    next += delay_;
                }
                if (line_bytes_ > 0 && (frames_.empty() || waiting_senders_ > 0)) next = std::min(next, line_free_);
                changed_.wait_until(lock, next);
            }
        }
    }

    void deliver(std::unique_lock<std::mutex>& lock) {
        Message message = std::move(frames_.front().message);
        frames_.pop_front();
        delivering_ = true;
        lock.unlock();
        ErrorKind kind{};
        std::string text;
        try {
            inner_->send(std::move(message));  // may block: then nothing departs, and senders feel it
        } catch (const Error& error) {
            kind = error.kind();
            text = error.what();
        } catch (const std::exception&) {
            kind = ErrorKind::kInternal;
            text = "out of memory while sending a message";
        }
        lock.lock();
        delivering_ = false;
        ++delivered_;
        if (!text.empty() && !std::exchange(broken_, true)) {
            broken_kind_ = kind;
            broken_text_ = std::move(text);
        }
        if (broken_) drop();
        if (closing_) room_.notify_all();
    }

    const std::unique_ptr<Channel> inner_;
    const LinkModel link_;
    const Clock::duration delay_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;  // for the thread
    std::condition_variable room_;     // for senders, and for close()
    Limits limits_;
    SendQueue<Waiting> waiting_;  // for the line
    std::deque<Frame> frames_;    // on the line or under way, in order
    Clock::time_point line_free_{};
    std::size_t waiting_senders_ = 0;
    std::size_t line_bytes_ = 0;   // of the frame that is leaving
    std::uint64_t departed_ = 0;   // the measure of progress for senders
    std::uint64_t delivered_ = 0;  // and for close()
    std::uint64_t sent_bytes_ = 0, sent_messages_ = 0;
    bool delivering_ = false;
    bool closing_ = false;  // nothing more is taken
    bool stopped_ = false;
    bool broken_ = false;
    ErrorKind broken_kind_ = ErrorKind::kNetwork;
    std::string broken_text_;
    std::thread thread_;  // last: it uses the members above
};

}  // namespace

std::unique_ptr<Channel> make_shaped(std::unique_ptr<Channel> inner, const LinkModel& link, const Limits& limits) {
    return std::make_unique<ShapedChannel>(std::move(inner), link, limits);
}

}  // namespace flash::transport
