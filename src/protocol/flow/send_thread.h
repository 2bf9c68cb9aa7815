// A thread that waits where others must not: tasks on shared threads hand it what would block in a channel whose peer
// is slow.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace flash::protocol {

/// One for each inference of a party. The thread starts with the first job; with a fast peer there is none.
class SendThread {
public:
    SendThread() = default;
    /// Waits for the jobs. If one may be blocked in a channel, that has to be failed first.
    ~SendThread() {
        {
            const std::lock_guard lock(mutex_);
            ending_ = true;
        }
        changed_.notify_one();
        if (thread_.joinable()) thread_.join();
    }
    SendThread(const SendThread&) = delete;
    SendThread& operator=(const SendThread&) = delete;

    /// Jobs run one after the other and must not throw.
    void run(std::function<void()> job) {
        {
            const std::lock_guard lock(mutex_);
            jobs_.push_back(std::move(job));
            if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
        }
        changed_.notify_one();
    }

private:
    void work() {
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [&] { return ending_ || !jobs_.empty(); });
            if (jobs_.empty()) return;
            const std::function<void()> job = std::move(jobs_.front());
            jobs_.pop_front();
            lock.unlock();
            job();
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> jobs_;
    bool ending_ = false;
    std::thread thread_;
};

}  // namespace flash::protocol
