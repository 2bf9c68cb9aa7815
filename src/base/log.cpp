#include "base/log.h"

#include <atomic>
#include <mutex>
#include <shared_mutex>

namespace flash {

namespace {

constexpr int kSilent = static_cast<int>(LogLevel::kError) + 1;

struct Log {
    std::atomic<int> least{kSilent};
    std::shared_mutex mutex;  // shared by the lines that are being written
    LogSink sink;
};

Log& the_log() {
    static Log* const log = new Log;  // outlives every thread that may still write
    return *log;
}

}  // namespace

const char* to_string(LogLevel level) {
    switch (level) {
        case LogLevel::kDebug: return "debug";
        case LogLevel::kInfo: return "info";
        case LogLevel::kWarning: return "warning";
        case LogLevel::kError: return "error";
    }
    return "error";
}

void set_log(LogSink sink, LogLevel least) {
    Log& log = the_log();
    const int level = sink ? static_cast<int>(least) : kSilent;
    {
        const std::lock_guard lock(log.mutex);
        log.sink.swap(sink);
        log.least = level;
    }
    // The sink before goes here, where a destructor may take any lock.
}

bool log_wants(LogLevel level) noexcept { return static_cast<int>(level) >= the_log().least; }

void write_log(LogLevel level, std::string_view line) noexcept {
    Log& log = the_log();
    try {
        const std::shared_lock lock(log.mutex);
        if (log.sink && log_wants(level)) log.sink(level, line);
    } catch (...) {
        // A sink's trouble is not the library's.
    }
}

}  // namespace flash
