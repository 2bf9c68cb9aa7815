// Messages that are made in parallel and leave in order, each as soon as those before it have left: the peer works on
// the first while the last are still being made.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/profile.h"
#include "protocol/flow/send_thread.h"
#include "protocol/steps.h"
#include "transport/channel.h"

namespace flash::protocol {

class OrderedSender {
public:
    /// For `count` messages of one layer, whose sending is recorded in the profile. `helper` waits for the peer when
    /// the channel's queue is full; it must outlive this object.
    OrderedSender(transport::Channel& channel, SendThread& helper, std::size_t count, Profile* profile, int layer)
        : channel_(channel),
          helper_(helper),
          profile_(profile),
          layer_(layer),
          waiting_(count) {}
    /// Waits for the helper. Whoever leaves without finish() has met an error: then the channel is failed, so that the
    /// helper does not wait for a peer that may never read on.
    ~OrderedSender() {
        std::unique_lock lock(mutex_);
        if (sending_) {
            lock.unlock();
            channel_.fail("the inference was ended by an error");
            lock.lock();
        }
        idle_.wait(lock, [&] { return !sending_; });
    }
    OrderedSender(const OrderedSender&) = delete;
    OrderedSender& operator=(const OrderedSender&) = delete;

    /// Message number `index`, once each. Sends it and what waited for it, unless another thread is sending: then that
    /// one does. Never waits for the peer. Throws what Channel::send throws; nothing is sent after that, here or by the
    /// helper.
    void put(std::size_t index, transport::Message message) {
        std::unique_lock lock(mutex_);
        waiting_[index] = std::move(message);
        if (sending_ || failure_) return;
        sending_ = true;
        try {
            if (!send_ready(lock, false)) helper_.run([this] { send_waiting(); });
        } catch (...) {
            if (!lock.owns_lock()) lock.lock();
            stop(std::current_exception());
            throw;
        }
    }
    /// Until all that was put and is in order has been handed to the channel. Throws what went wrong.
    void finish() {
        std::unique_lock lock(mutex_);
        idle_.wait(lock, [&] { return !sending_; });
        if (failure_) std::rethrow_exception(failure_);
    }
    /// What went wrong, if anything did.
    std::exception_ptr failure() {
        const std::lock_guard lock(mutex_);
        return failure_;
    }

private:
    /// Sends what is next in order. False if the channel is full, with sending_ still set. With the lock held, but not
    /// while it sends; an exception leaves it unlocked.
    bool send_ready(std::unique_lock<std::mutex>& lock, bool may_wait) {
        while (next_ < waiting_.size() && waiting_[next_]) {
            transport::Message out = std::move(*waiting_[next_]);
            lock.unlock();
            bool sent = true;
            {
                ProfileSpan span(profile_, layer_, step::kSend);
                const std::size_t bytes = transport::kFrameHeaderBytes + out.payload.size();
                if (may_wait)
                    channel_.send(std::move(out));
                else
                    sent = channel_.try_send(out);
                if (sent) span.sent(bytes);
            }
            lock.lock();
            if (!sent) {
                waiting_[next_] = std::move(out);
                return false;
            }
            waiting_[next_++].reset();
        }
        sending_ = false;
        idle_.notify_all();
        return true;
    }
    /// On the helper's thread.
    void send_waiting() {
        std::unique_lock lock(mutex_);
        try {
            send_ready(lock, true);
            return;
        } catch (...) {
            if (!lock.owns_lock()) lock.lock();
            failure_ = std::current_exception();
        }
        // Whoever waits for what the peer will not send now has to be woken. Nothing may leave this function: on the
        // helper's thread that would end the program, and with it every other session.
        const std::string sentence = sentence_of(failure_);
        lock.unlock();
        try {
            channel_.fail(sentence);
        } catch (...) {  // no memory even for that: the peer's time limit ends it
        }
        lock.lock();
        stop(failure_);
    }
    /// What the peer is told.
    static std::string sentence_of(const std::exception_ptr& failure) noexcept {
        try {
            std::rethrow_exception(failure);
        } catch (const Error& error) {
            try {
                if (error.kind() != ErrorKind::kInternal) return error.what();
            } catch (...) {  // no memory for the sentence
            }
        } catch (...) {  // details stay here
        }
        return "internal error";  // short enough to need no memory
    }
    void stop(std::exception_ptr failure) {
        failure_ = std::move(failure);
        sending_ = false;
        idle_.notify_all();
    }

    transport::Channel& channel_;
    SendThread& helper_;
    Profile* profile_;
    const int layer_;
    std::mutex mutex_;
    std::condition_variable idle_;
    std::vector<std::optional<transport::Message>> waiting_;
    std::size_t next_ = 0;
    bool sending_ = false;  // somebody sends, or the helper is about to
    std::exception_ptr failure_;
};

}  // namespace flash::protocol
