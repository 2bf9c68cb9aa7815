// Where it is kept what accounts and addresses have spent: an SQLite file, or a PostgreSQL database that servers of
// several machines share.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace flash::service {

/// Of one key: inferences in a minute and a day, which are numbered since 1970 (UTC).
struct SpentCounts {
    std::int64_t minute = 0, day = 0;
    std::uint64_t in_minute = 0, in_day = 0;
};

/// Thread-safe. Error(kFile) where a store cannot be read or written, within kPatience.
class BudgetStore {
public:
    static constexpr std::chrono::seconds kPatience{2};
    /// Days for which counts are kept.
    static constexpr std::int64_t kKeptDays = 32;

    virtual ~BudgetStore() = default;
    /// Zeros where there are none.
    virtual SpentCounts read(const std::string& key) = 0;
    /// Writes what `change` makes of the key's counts, if anything, in one step that no other server comes between.
    using Change = std::function<std::optional<SpentCounts>(const SpentCounts& now)>;
    virtual void update(const std::string& key, const Change& change) = 0;
    /// Removes what is older than kKeptDays, if anything has been counted in these days before today: a clock that
    /// jumps for a moment forgives nothing.
    virtual void forget(std::int64_t today) = 0;
};

/// By a URL "postgresql://...", or else a file of SQLite, which is opened or made; empty: in memory.
/// Error(kInvalidArgument) for PostgreSQL in a program that was built without.
std::unique_ptr<BudgetStore> open_budget_store(const std::string& place);
/// Whether that could be used, as far as that can be seen without writing anything. Error if not.
void check_budget_store(const std::string& place);

}  // namespace flash::service
