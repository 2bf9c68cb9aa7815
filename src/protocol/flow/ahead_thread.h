// Work that does not depend on the other party's next message, done by a thread of its own while the link or a core is
// idle.
#pragma once

#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "protocol/flow/ahead_window.h"
#include "transport/channel.h"

namespace flash::protocol {

/// Where work is done that may run ahead.
enum class Ahead {
    kThreads,  ///< on threads of its own
    kSteps,    ///< on the caller's, where it asks for a step: it has no threads, or must not wait in one
};

class AheadThread {
public:
    /// body runs until it is done, or until the window is cancelled. If it throws, the channel is failed with
    /// `sentence` (the details may be secret), which wakes whoever waits for what will never come. With Ahead::kSteps
    /// there is no thread, and body is not called.
    AheadThread(transport::Channel& channel, std::string sentence, std::size_t window_bytes,
                std::function<void(AheadWindow&)> body, Ahead ahead = Ahead::kThreads)
        : channel_(channel),
          sentence_(std::move(sentence)),
          window_(window_bytes),
          thread_(ahead == Ahead::kThreads ? std::thread([this, body = std::move(body)] { run(body); })
                                           : std::thread()) {}
    /// Cancels and joins. A body that may be blocked in the channel needs the channel to be failed first.
    ~AheadThread() {
        window_.cancel();
        if (thread_.joinable()) thread_.join();
    }
    AheadThread(const AheadThread&) = delete;
    AheadThread& operator=(const AheadThread&) = delete;

    AheadWindow& window() { return window_; }
    /// What stopped the thread, if anything did.
    std::exception_ptr failure() {
        const std::lock_guard lock(mutex_);
        return failure_;
    }

private:
    void run(const std::function<void(AheadWindow&)>& body) {
        try {
            body(window_);
        } catch (...) {
            {
                const std::lock_guard lock(mutex_);
                failure_ = std::current_exception();
            }
            channel_.fail(sentence_);
        }
    }

    transport::Channel& channel_;
    const std::string sentence_;
    AheadWindow window_;
    std::mutex mutex_;
    std::exception_ptr failure_;
    std::thread thread_;
};

}  // namespace flash::protocol
