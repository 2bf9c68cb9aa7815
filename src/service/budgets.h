// What accounts and addresses have spent: inferences in the running minute and day (UTC), kept in an SQLite file so
// that a restart forgives nothing, and sessions at a time. Repeated queries are how models are extracted
// (docs/security.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "service/access_list.h"

struct sqlite3;

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

/// Thread-safe. Several servers of one machine may share the file.
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

    /// Opens or makes the file, readable by its owner only. Empty: in memory, for as long as the server runs.
    /// Error(kFile) if it cannot be used.
    explicit Budgets(const std::filesystem::path& file);
    ~Budgets();
    Budgets(const Budgets&) = delete;
    Budgets& operator=(const Budgets&) = delete;

    /// Nothing if the key has all its sessions already.
    std::optional<Seat> sit(const std::string& key, const Tier& tier);
    /// Whether an inference would be refused; counts nothing.
    std::optional<Spent> look(const std::string& key, const Tier& tier, Clock::time_point now = Clock::now());
    /// Counts an inference if there is budget for it. Error(kFile) if it cannot be written down.
    std::optional<Spent> spend(const std::string& key, const Tier& tier, Clock::time_point now = Clock::now());

private:
    struct Counts {
        std::int64_t minute = 0, day = 0;  // numbers of them since 1970
        std::uint64_t in_minute = 0, in_day = 0;
    };
    struct Close {
        void operator()(sqlite3* database) const;
    };

    // With the mutex held.
    void run(const char* statement);
    Counts read(const std::string& key, std::int64_t minute, std::int64_t day);
    void write(const std::string& key, const Counts& counts);
    void forget_before(std::int64_t day);
    [[noreturn]] void fail() const;

    void stand_up(const std::string& key);

    std::string name_;  // of the file, for sentences
    std::mutex mutex_;
    std::unique_ptr<sqlite3, Close> database_;
    std::int64_t forgotten_ = 0;  // the day whose predecessors are gone
    std::map<std::string, std::uint64_t> seats_;
};

}  // namespace flash::service
