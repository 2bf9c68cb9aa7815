// A line of the log that a peer could cause at any rate is written once a second in the long run.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace flash {

/// Thread-safe.
class Seldom {
public:
    /// burst: so many at once, after as many seconds without one.
    explicit Seldom(int burst = 1) : burst_(burst), left_(burst) {}

    /// Nothing where the line is to be left out; otherwise how many were since the last one.
    std::optional<std::uint64_t> now() {
        const auto time = std::chrono::steady_clock::now();
        const std::lock_guard lock(mutex_);
        const auto seconds = std::chrono::floor<std::chrono::seconds>(time - filled_);
        left_ = static_cast<int>(std::min<std::int64_t>(burst_, left_ + seconds.count()));
        filled_ += seconds;
        if (left_ == 0) {
            ++left_out_;
            return std::nullopt;
        }
        --left_;
        return std::exchange(left_out_, 0);
    }

private:
    std::mutex mutex_;
    const int burst_;
    int left_;
    std::chrono::steady_clock::time_point filled_ = std::chrono::steady_clock::now();
    std::uint64_t left_out_ = 0;
};

}  // namespace flash
