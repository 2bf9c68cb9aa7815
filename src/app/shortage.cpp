#include "app/shortage.h"

#include <new>
#include <system_error>

namespace flash::app {

std::optional<std::string> shortage(const std::exception& error) {
    const char* const remedy = "; use fewer threads, sessions or inferences at a time, or raise the limit (ulimit -a)";
    if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return std::string("out of memory") + remedy;
    const auto* system = dynamic_cast<const std::system_error*>(&error);
    if (system == nullptr) return std::nullopt;
    const std::error_condition what = system->code().default_error_condition();
    if (what == std::errc::not_enough_memory) return std::string("out of memory") + remedy;
    if (what == std::errc::resource_unavailable_try_again) return std::string("no thread can be started") + remedy;
    if (what == std::errc::too_many_files_open || what == std::errc::too_many_files_open_in_system)
        return std::string("out of file descriptors") + remedy;
    return std::nullopt;
}

}  // namespace flash::app
