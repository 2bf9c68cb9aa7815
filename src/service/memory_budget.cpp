#include "service/memory_budget.h"

namespace flash::service {

std::optional<MemoryBudget::Share> MemoryBudget::take(std::uint64_t bytes, std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    const std::uint64_t ticket = next_ticket_++;
    const auto own = queue_.insert(queue_.end(), ticket);
    const bool in_time = changed_.wait_for(
        lock, patience, [&] { return queue_.front() == ticket && bytes <= total_ && taken_ <= total_ - bytes; });
    queue_.erase(own);
    if (in_time) taken_ += bytes;
    changed_.notify_all();  // whoever stands behind is the first now
    if (!in_time) return std::nullopt;
    return Share(*this, bytes);
}

std::optional<MemoryBudget::Share> MemoryBudget::take_spare(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    const std::uint64_t half = total_ / 2;
    if (!queue_.empty() || bytes > half || taken_ > half - bytes) return std::nullopt;
    taken_ += bytes;
    return Share(*this, bytes);
}

std::uint64_t MemoryBudget::taken() const {
    const std::lock_guard lock(mutex_);
    return taken_;
}

std::size_t MemoryBudget::waiting() const {
    const std::lock_guard lock(mutex_);
    return queue_.size();
}

void MemoryBudget::give_back(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    taken_ -= bytes;
    changed_.notify_all();
}

}  // namespace flash::service
