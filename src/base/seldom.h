// A line of the log that a peer could cause at any rate is written at most once a second.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace flash {

/// Thread-safe.
class Seldom {
public:
    /// Nothing where the last line is less than a second old; otherwise how many were left out since then.
    std::optional<std::uint64_t> now() {
        const auto time = std::chrono::steady_clock::now();
        const std::lock_guard lock(mutex_);
        if (last_ && time - *last_ < std::chrono::seconds(1)) {
            ++left_out_;
            return std::nullopt;
        }
        last_ = time;
        return std::exchange(left_out_, 0);
    }

private:
    std::mutex mutex_;
    std::optional<std::chrono::steady_clock::time_point> last_;
    std::uint64_t left_out_ = 0;
};

}  // namespace flash
