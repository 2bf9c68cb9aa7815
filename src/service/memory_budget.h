// Memory that all sessions together may hold. A session takes its share before anything is kept for it, and whoever
// finds too little left waits in turn, for a while.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <utility>

namespace flash::service {

/// Thread-safe.
class MemoryBudget {
public:
    /// Gives the bytes back when it goes; not after the budget.
    class Share {
    public:
        Share(MemoryBudget& budget, std::uint64_t bytes) : budget_(&budget), bytes_(bytes) {}
        Share(Share&& other) noexcept
            : budget_(std::exchange(other.budget_, nullptr)),
              bytes_(std::exchange(other.bytes_, 0)) {}
        Share& operator=(Share&& other) noexcept {
            std::swap(budget_, other.budget_);
            std::swap(bytes_, other.bytes_);
            return *this;
        }
        ~Share() {
            if (budget_) budget_->give_back(bytes_);
        }

    private:
        MemoryBudget* budget_;
        std::uint64_t bytes_;
    };

    explicit MemoryBudget(std::uint64_t total) : total_(total) {}

    /// First come, first served: a small share does not overtake a large one that waits. Nothing if the patience ends.
    std::optional<Share> take(std::uint64_t bytes, std::chrono::milliseconds patience);

    /// Only what nobody misses: at once, while nobody waits, and never of the last half.
    std::optional<Share> take_spare(std::uint64_t bytes);

    std::uint64_t total() const { return total_; }
    std::uint64_t taken() const;
    std::size_t waiting() const;

private:
    void give_back(std::uint64_t bytes);

    const std::uint64_t total_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t taken_ = 0, next_ticket_ = 0;
    std::list<std::uint64_t> queue_;  // tickets of those that wait
};

}  // namespace flash::service
