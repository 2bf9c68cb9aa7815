// What accounts and addresses have spent: inferences in the running minute and day (UTC), kept in a store so that a
// restart forgives nothing, and sessions at a time. Repeated queries are how models are extracted (docs/security.md).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "service/access_list.h"
#include "service/budget_store.h"

namespace flash::service {

/// A budget that has nothing left.
struct Spent {
    enum class Window { kMinute, kDay };
    Window window = Window::kMinute;
    std::uint64_t budget = 0;
    std::chrono::system_clock::time_point until;

    /// For the client, with the time to come again.
    std::string sentence(std::chrono::system_clock::time_point now) const;
};

/// Thread-safe. Several servers may share the store.
class Budgets {
public:
    using Clock = std::chrono::system_clock;

    /// One of the sessions that a key may have at a time; not after the budgets.
    class Seat {
    public:
        Seat(Budgets& budgets, std::string key) : budgets_(&budgets), key_(std::move(key)) {}
        Seat(Seat&& other) noexcept : budgets_(std::exchange(other.budgets_, nullptr)), key_(std::move(other.key_)) {}
        Seat& operator=(Seat&& other) noexcept {
            std::swap(budgets_, other.budgets_);
            std::swap(key_, other.key_);
            return *this;
        }
        ~Seat() {
            if (budgets_) budgets_->stand_up(key_);
        }

    private:
        Budgets* budgets_;
        std::string key_;
    };

    /// place: as open_budget_store. Error(kFile) if it cannot be used.
    explicit Budgets(const std::string& place) : Budgets(open_budget_store(place)) {}
    explicit Budgets(std::unique_ptr<BudgetStore> store) : store_(std::move(store)) {}
    Budgets(const Budgets&) = delete;
    Budgets& operator=(const Budgets&) = delete;

    /// Nothing if the key has all its sessions already.
    std::optional<Seat> sit(const std::string& key, const Tier& tier);
    /// Whether an inference would be refused; counts nothing.
    std::optional<Spent> look(const std::string& key, const Tier& tier, Clock::time_point now = Clock::now());
    /// Counts an inference if there is budget for it. Error(kFile) if it cannot be written down.
    std::optional<Spent> spend(const std::string& key, const Tier& tier, Clock::time_point now = Clock::now());

private:
    void stand_up(const std::string& key);

    const std::unique_ptr<BudgetStore> store_;
    std::atomic<std::int64_t> forgotten_{0};  // the day on which the store was told to forget
    std::mutex mutex_;                        // of the seats: nobody waits for the store with it
    std::map<std::string, std::uint64_t> seats_;
};

}  // namespace flash::service
