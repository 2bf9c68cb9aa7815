// What the library notices while it works: connections that are refused, sessions that end early. Silent until a
// program asks for it.
//
//   flash::set_log([](flash::LogLevel level, std::string_view line) { std::cerr << to_string(level) << line << '\n';
//   });
#pragma once

#include <functional>
#include <string_view>

namespace flash {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// "debug", "info", "warning" or "error".
const char* to_string(LogLevel level);

/// Takes one line without its end. Called from any thread, from several at once, sometimes with locks of the library
/// held: it calls no function of Flash. What it throws is dropped. Lines hold addresses of clients and names of files;
/// never a picture, a weight, a key or an answer.
using LogSink = std::function<void(LogLevel level, std::string_view line)>;

/// Of the whole process, from now on; an empty sink ends it. Lines below `least` are not even made. When this returns,
/// the sink before is no longer running.
void set_log(LogSink sink, LogLevel least = LogLevel::kInfo);

}  // namespace flash
