// Limits how far a party runs ahead of need: a producer acquires bytes before it makes or sends something, whoever
// consumes it releases them. It may also have to wait for stages, whatever room there is.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

#include "base/error.h"

namespace flash::protocol {

class AheadWindow {
public:
    explicit AheadWindow(std::size_t limit) : limit_(limit) {}
    /// Waits until the bytes fit (one item larger than the window passes alone). False once cancelled.
    bool acquire(std::size_t bytes) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return cancelled_ || used_ == 0 || used_ + bytes <= limit_; });
        if (cancelled_) return false;
        used_ += bytes;
        return true;
    }
    /// The same without waiting: false also where they do not fit now.
    bool try_acquire(std::size_t bytes) {
        const std::lock_guard lock(mutex_);
        if (cancelled_ || (used_ != 0 && used_ + bytes > limit_)) return false;
        used_ += bytes;
        return true;
    }
    /// Error(kProtocol) if so much is not out: an answer to something that was never sent.
    void release(std::size_t bytes) {
        const std::lock_guard lock(mutex_);
        require(bytes <= used_, ErrorKind::kProtocol, "an answer came to something that was not sent yet");
        used_ -= bytes;
        changed_.notify_all();
    }
    /// Waits until stages were opened so often. False once cancelled.
    bool wait_for_stage(std::size_t stage) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return cancelled_ || stage_ >= stage; });
        return !cancelled_;
    }
    void open_stage() {
        const std::lock_guard lock(mutex_);
        ++stage_;
        changed_.notify_all();
    }
    void cancel() {
        const std::lock_guard lock(mutex_);
        cancelled_ = true;
        changed_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    const std::size_t limit_;
    std::size_t used_ = 0, stage_ = 0;
    bool cancelled_ = false;
};

}  // namespace flash::protocol
