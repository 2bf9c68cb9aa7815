// Counts in an SQLite file, readable by its owner only, which several servers of one machine may share.
#pragma once

#include <filesystem>
#include <memory>

#include "service/budget_store.h"

namespace flash::service {

/// Opens or makes the file. Empty: in memory.
std::unique_ptr<BudgetStore> open_sqlite_store(const std::filesystem::path& file);
/// Reads what is there, or looks whether it could be made; writes nothing. Error(kFile).
void check_sqlite_store(const std::filesystem::path& file);

}  // namespace flash::service
