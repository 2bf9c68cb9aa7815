#include "service/budget_store.h"

#include "base/error.h"
#include "service/sqlite_store.h"
#ifdef FLASH_POSTGRESQL
#include "service/postgresql/postgresql_store.h"
#endif

namespace flash::service {

namespace {

bool is_postgresql(const std::string& place) {
    return place.starts_with("postgresql://") || place.starts_with("postgres://");
}

#ifndef FLASH_POSTGRESQL
[[noreturn]] void refuse_postgresql() {
    throw Error(ErrorKind::kInvalidArgument,
                "this program was built without PostgreSQL: build it with -DFLASH_POSTGRESQL=ON, or give a file");
}
#endif

}  // namespace

std::unique_ptr<BudgetStore> open_budget_store(const std::string& place) {
    if (!is_postgresql(place)) return open_sqlite_store(place);
#ifdef FLASH_POSTGRESQL
    return open_postgresql_store(place);
#else
    refuse_postgresql();
#endif
}

void check_budget_store(const std::string& place) {
    if (!is_postgresql(place)) return check_sqlite_store(place);
#ifdef FLASH_POSTGRESQL
    check_postgresql_store(place);
#else
    refuse_postgresql();
#endif
}

}  // namespace flash::service
