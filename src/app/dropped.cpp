#include "app/dropped.h"

#include <fmt/format.h>

#include "app/warning.h"

namespace flash::app {

void Dropped::add(const std::string& what) {
    if (what.empty()) return;
    const std::lock_guard lock(mutex_);
    ++counts_[what];
}

std::map<std::string, std::size_t> Dropped::counts() const {
    const std::lock_guard lock(mutex_);
    return counts_;
}

void Dropped::warn(std::size_t pictures) const {
    for (const auto& [what, count] : counts())
        app::warn(fmt::format("left out of {} of {} pictures: {}", count, pictures, what));
}

}  // namespace flash::app
