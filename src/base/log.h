// Lines of the log, to the sink that a program has set (include/flash/log.h); dropped where there is none, or where
// memory for the line is short. No secret is ever in one.
#pragma once

#include <fmt/format.h>

#include <utility>

#include "flash/log.h"

namespace flash {

bool log_wants(LogLevel level) noexcept;
void write_log(LogLevel level, std::string_view line) noexcept;

template <class... Values>
void log_line(LogLevel level, fmt::format_string<Values...> format, Values&&... values) noexcept {
    if (!log_wants(level)) return;
    try {
        write_log(level, fmt::format(format, std::forward<Values>(values)...));
    } catch (...) {
        // Not worth more than the line.
    }
}

template <class... Values>
void log_info(fmt::format_string<Values...> format, Values&&... values) noexcept {
    log_line(LogLevel::kInfo, format, std::forward<Values>(values)...);
}

template <class... Values>
void log_warning(fmt::format_string<Values...> format, Values&&... values) noexcept {
    log_line(LogLevel::kWarning, format, std::forward<Values>(values)...);
}

template <class... Values>
void log_error(fmt::format_string<Values...> format, Values&&... values) noexcept {
    log_line(LogLevel::kError, format, std::forward<Values>(values)...);
}

}  // namespace flash
