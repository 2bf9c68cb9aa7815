#include "service/sqlite_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <string_view>
#include <thread>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"

namespace flash::service {

namespace {

using Clock = std::chrono::steady_clock;

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

class SqliteStore final : public BudgetStore {
public:
    explicit SqliteStore(const std::filesystem::path& file) : name_(file.empty() ? ":memory:" : file.string()) {
        if (!file.empty()) {
            // SQLite gives its own files the mode of this one.
            const Descriptor made(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
            if (made.get() < 0)
                throw Error(ErrorKind::kFile, fmt::format("budgets {}: {}", name_, std::strerror(errno)));
        }
        sqlite3* database = nullptr;
        const int result = sqlite3_open_v2(name_.c_str(), &database,
                                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
        database_.reset(database);
        if (result != SQLITE_OK) fail();
        // A crash of the program loses nothing; one of the machine the last moments, and damages nothing.
        when_free([&] { return run("PRAGMA journal_mode = WAL"); });
        when_free([&] { return run("PRAGMA synchronous = NORMAL"); });
        when_free([&] {
            return run(
                "CREATE TABLE IF NOT EXISTS spent (key TEXT PRIMARY KEY, minute INTEGER NOT NULL, in_minute INTEGER "
                "NOT NULL, day INTEGER NOT NULL, in_day INTEGER NOT NULL) WITHOUT ROWID");
        });
    }

    SpentCounts read(const std::string& key) override {
        SpentCounts counts;
        when_free([&] { return select(key, counts); });
        return counts;
    }

    void update(const std::string& key, const Change& change) override {
        when_free([&] {
            int result = run("BEGIN IMMEDIATE");  // reading and writing in one, also beside another server
            if (result != SQLITE_OK) return result;
            SpentCounts counts;
            result = select(key, counts);
            try {
                if (result == SQLITE_OK)
                    if (const auto changed = change(counts)) result = insert(key, *changed);
            } catch (...) {
                run("ROLLBACK");
                throw;
            }
            return finish(result);
        });
    }

    void forget(std::int64_t today) override {
        when_free([&] {
            Statement remove(database_.get(),
                             "DELETE FROM spent WHERE day < ?1 AND EXISTS (SELECT 1 FROM spent WHERE day >= ?1 AND day "
                             "< ?2)");
            remove.bind(1, today - kKeptDays);
            remove.bind(2, today);
            const int result = remove.step();
            return result == SQLITE_DONE ? SQLITE_OK : result;
        });
    }

private:
    struct Close {
        void operator()(sqlite3* database) const { sqlite3_close(database); }
    };

    /// Does it with the database locked against other threads, again and again while another server writes: nobody
    /// waits for that with the lock in hand.
    template <class Action>
    void when_free(Action action) {
        const auto end = Clock::now() + kPatience;
        while (true) {
            {
                const std::lock_guard lock(mutex_);
                const int result = action();
                if (result == SQLITE_OK) return;
                if ((result != SQLITE_BUSY && result != SQLITE_LOCKED) || Clock::now() >= end) fail();
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    }
    int run(const char* statement) {
        return sqlite3_exec(database_.get(), statement, nullptr, nullptr, nullptr) == SQLITE_OK
                   ? SQLITE_OK
                   : sqlite3_errcode(database_.get());
    }
    /// COMMIT if all went well so far, and otherwise ROLLBACK.
    int finish(int result) {
        if (result == SQLITE_OK) result = run("COMMIT");
        if (result != SQLITE_OK) sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
        return result;
    }
    int select(const std::string& key, SpentCounts& counts) {
        Statement statement(database_.get(), "SELECT minute, in_minute, day, in_day FROM spent WHERE key = ?");
        statement.bind(1, key);
        counts = {};
        const int result = statement.step();
        if (result == SQLITE_DONE) return SQLITE_OK;
        if (result != SQLITE_ROW) return result;
        counts = {statement.number(0), statement.number(2), static_cast<std::uint64_t>(statement.number(1)),
                  static_cast<std::uint64_t>(statement.number(3))};
        return SQLITE_OK;
    }
    int insert(const std::string& key, const SpentCounts& counts) {
        Statement statement(database_.get(), "INSERT OR REPLACE INTO spent VALUES (?, ?, ?, ?, ?)");
        statement.bind(1, key);
        statement.bind(2, counts.minute);
        statement.bind(3, static_cast<std::int64_t>(counts.in_minute));
        statement.bind(4, counts.day);
        statement.bind(5, static_cast<std::int64_t>(counts.in_day));
        const int result = statement.step();
        return result == SQLITE_DONE ? SQLITE_OK : result;
    }
    [[noreturn]] void fail() const {
        throw Error(ErrorKind::kFile, fmt::format("budgets {}: {}", name_,
                                                  database_ ? sqlite3_errmsg(database_.get()) : "out of memory"));
    }

    const std::string name_;  // of the file, for sentences
    std::mutex mutex_;
    std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace

std::unique_ptr<BudgetStore> open_sqlite_store(const std::filesystem::path& file) {
    return std::make_unique<SqliteStore>(file);
}

void check_sqlite_store(const std::filesystem::path& file) {
    if (file.empty()) return;
    require_writable(file);
    const Descriptor opened(::open(file.c_str(), O_RDWR | O_CLOEXEC));
    if (opened.get() < 0 && errno == ENOENT) return;
    constexpr std::string_view kMagic("SQLite format 3\0", 16);
    std::array<char, kMagic.size()> begin{};
    const ssize_t got = opened.get() < 0 ? -1 : ::pread(opened.get(), begin.data(), begin.size(), 0);
    if (got < 0) throw Error(ErrorKind::kFile, fmt::format("budgets {}: {}", file.string(), std::strerror(errno)));
    if (got > 0 && std::string_view(begin.data(), static_cast<std::size_t>(got)) != kMagic)
        throw Error(ErrorKind::kFile, fmt::format("budgets {}: this is no SQLite file", file.string()));
}

}  // namespace flash::service
