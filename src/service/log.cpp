#include "service/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/formatter.h>
#include <spdlog/spdlog.h>

#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/json_text.h"

namespace flash::service {

namespace {

class JsonFormatter final : public spdlog::formatter {
public:
    void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
        const auto level = spdlog::level::to_string_view(message.level);
        const auto time = std::chrono::time_point_cast<std::chrono::milliseconds>(message.time);
        const nlohmann::ordered_json json{
            {"time",
             fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(message.time)),
                         time.time_since_epoch().count() % 1000)},
            {"level", std::string(level.data(), level.size())},
            {"message", std::string(message.payload.data(), message.payload.size())}};
        fmt::format_to(std::back_inserter(line), "{}\n", json_text(json));
    }
    std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

}  // namespace

void set_log_format(LogFormat format) {
    if (format == LogFormat::kJson) spdlog::set_formatter(std::make_unique<JsonFormatter>());
}

}  // namespace flash::service
