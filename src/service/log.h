// What the log looks like.
#pragma once

namespace flash::service {

enum class LogFormat { kText, kJson };

/// Of the default logger, from now on. JSON: an object a line, {"time", "level", "message"}, the time in UTC.
void set_log_format(LogFormat format);

}  // namespace flash::service
