// Counts in a PostgreSQL database, which servers of several machines share.
#pragma once

#include <memory>
#include <string>

#include "service/budget_store.h"

namespace flash::service {

/// Connects, and makes the table "flash_spent" if it is not there. A connection that is lost is made again by the next
/// call. Error(kFile); no sentence holds the URL, in which there may be a password.
std::unique_ptr<BudgetStore> open_postgresql_store(const std::string& url);
/// Connects, and makes nothing. Error(kFile).
void check_postgresql_store(const std::string& url);

}  // namespace flash::service
