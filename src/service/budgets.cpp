#include "service/budgets.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/descriptor.h"
#include "base/error.h"
#include "transport/refusal.h"

namespace flash::service {

namespace {

constexpr int kPatienceMs = 2'000;  // for another server that writes

std::int64_t minute_of(Budgets::Clock::time_point time) {
    return std::chrono::floor<std::chrono::minutes>(time).time_since_epoch().count();
}
std::int64_t day_of(Budgets::Clock::time_point time) {
    return std::chrono::floor<std::chrono::days>(time).time_since_epoch().count();
}

/// A statement; finished when it goes.
class Statement {
public:
    Statement(sqlite3* database, const char* text) { sqlite3_prepare_v2(database, text, -1, &statement_, nullptr); }
    ~Statement() { sqlite3_finalize(statement_); }
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    void bind(int at, const std::string& text) {
        sqlite3_bind_text(statement_, at, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
    }
    void bind(int at, std::int64_t number) { sqlite3_bind_int64(statement_, at, number); }
    std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }
    /// SQLITE_ROW, SQLITE_DONE, or an error, also that of making the statement.
    int step() { return statement_ ? sqlite3_step(statement_) : SQLITE_ERROR; }

private:
    sqlite3_stmt* statement_ = nullptr;
};

std::optional<Spent> spent(const Tier& tier, std::int64_t minute, std::int64_t day, std::uint64_t in_minute,
                           std::uint64_t in_day) {
    using TimePoint = Budgets::Clock::time_point;
    if (tier.inferences_per_day > 0 && in_day >= tier.inferences_per_day)
        return Spent{Spent::Window::kDay, tier.inferences_per_day, TimePoint(std::chrono::days(day + 1))};
    if (tier.inferences_per_minute > 0 && in_minute >= tier.inferences_per_minute)
        return Spent{Spent::Window::kMinute, tier.inferences_per_minute, TimePoint(std::chrono::minutes(minute + 1))};
    return std::nullopt;
}

bool is_bounded(const Tier& tier) { return tier.inferences_per_minute > 0 || tier.inferences_per_day > 0; }

}  // namespace

std::string Spent::sentence(std::chrono::system_clock::time_point now) const {
    const auto left = std::max(std::chrono::ceil<std::chrono::seconds>(until - now), std::chrono::seconds(1));
    return transport::come_again(fmt::format("the budget of {} inferences a {} is spent until {:%Y-%m-%d %H:%M:%S} UTC",
                                             budget, window == Window::kDay ? "day" : "minute",
                                             fmt::gmtime(std::chrono::system_clock::to_time_t(until))),
                                 left);
}

void Budgets::Close::operator()(sqlite3* database) const { sqlite3_close(database); }

Budgets::Budgets(const std::filesystem::path& file) : name_(file.empty() ? ":memory:" : file.string()) {
    if (!file.empty()) {
        // SQLite gives its own files the mode of this one.
        const Descriptor made(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (made.get() < 0) throw Error(ErrorKind::kFile, fmt::format("budgets {}: {}", name_, std::strerror(errno)));
    }
    sqlite3* database = nullptr;
    const int result = sqlite3_open_v2(name_.c_str(), &database,
                                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, nullptr);
    database_.reset(database);
    if (result != SQLITE_OK) fail();
    sqlite3_busy_timeout(database, kPatienceMs);
    // A crash of the program loses nothing; one of the machine the last moments, and damages nothing.
    run("PRAGMA journal_mode = WAL");
    run("PRAGMA synchronous = NORMAL");
    run("CREATE TABLE IF NOT EXISTS spent (key TEXT PRIMARY KEY, minute INTEGER NOT NULL, in_minute INTEGER NOT NULL, "
        "day INTEGER NOT NULL, in_day INTEGER NOT NULL) WITHOUT ROWID");
}

Budgets::~Budgets() = default;

void Budgets::fail() const {
    throw Error(ErrorKind::kFile,
                fmt::format("budgets {}: {}", name_, database_ ? sqlite3_errmsg(database_.get()) : "out of memory"));
}

void Budgets::run(const char* statement) {
    if (sqlite3_exec(database_.get(), statement, nullptr, nullptr, nullptr) != SQLITE_OK) fail();
}

/// A window that lies in the future, where the clock was set back, still counts: nothing is forgiven by that.
Budgets::Counts Budgets::read(const std::string& key, std::int64_t minute, std::int64_t day) {
    Statement select(database_.get(), "SELECT minute, in_minute, day, in_day FROM spent WHERE key = ?");
    select.bind(1, key);
    Counts counts{minute, day, 0, 0};
    const int result = select.step();
    if (result == SQLITE_DONE) return counts;
    if (result != SQLITE_ROW) fail();
    if (select.number(0) >= minute) {
        counts.minute = select.number(0);
        counts.in_minute = static_cast<std::uint64_t>(select.number(1));
    }
    if (select.number(2) >= day) {
        counts.day = select.number(2);
        counts.in_day = static_cast<std::uint64_t>(select.number(3));
    }
    return counts;
}

void Budgets::write(const std::string& key, const Counts& counts) {
    Statement insert(database_.get(), "INSERT OR REPLACE INTO spent VALUES (?, ?, ?, ?, ?)");
    insert.bind(1, key);
    insert.bind(2, counts.minute);
    insert.bind(3, static_cast<std::int64_t>(counts.in_minute));
    insert.bind(4, counts.day);
    insert.bind(5, static_cast<std::int64_t>(counts.in_day));
    if (insert.step() != SQLITE_DONE) fail();
}

void Budgets::forget_before(std::int64_t day) {
    if (day <= forgotten_) return;
    Statement remove(database_.get(), "DELETE FROM spent WHERE day < ?");
    remove.bind(1, day);
    if (remove.step() != SQLITE_DONE) fail();
    forgotten_ = day;
}

std::optional<Budgets::Seat> Budgets::sit(const std::string& key, const Tier& tier) {
    const std::lock_guard lock(mutex_);
    std::uint64_t& taken = seats_[key];
    if (tier.sessions > 0 && taken >= tier.sessions) return std::nullopt;
    ++taken;
    return Seat(*this, key);
}

void Budgets::stand_up(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto seat = seats_.find(key);
    if (--seat->second == 0) seats_.erase(seat);  // nothing is kept of whoever is gone
}

std::optional<Spent> Budgets::look(const std::string& key, const Tier& tier, Clock::time_point now) {
    if (!is_bounded(tier)) return std::nullopt;
    const std::lock_guard lock(mutex_);
    const Counts counts = read(key, minute_of(now), day_of(now));
    return spent(tier, counts.minute, counts.day, counts.in_minute, counts.in_day);
}

std::optional<Spent> Budgets::spend(const std::string& key, const Tier& tier, Clock::time_point now) {
    if (!is_bounded(tier)) return std::nullopt;
    const std::lock_guard lock(mutex_);
    run("BEGIN IMMEDIATE");  // reading and writing in one, also beside another server
    try {
        forget_before(day_of(now));
        Counts counts = read(key, minute_of(now), day_of(now));
        const std::optional<Spent> left = spent(tier, counts.minute, counts.day, counts.in_minute, counts.in_day);
        if (!left) {
            ++counts.in_minute;
            ++counts.in_day;
            write(key, counts);
        }
        run("COMMIT");
        return left;
    } catch (...) {
        sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
        throw;
    }
}

}  // namespace flash::service
