#include "transport/link.h"

#include <fmt/format.h>

#include <charconv>
#include <span>
#include <utility>

#include "base/error.h"

namespace flash::transport {

namespace {

using Unit = std::pair<std::string_view, double>;

constexpr Unit kRates[] = {{"k", 1e3}, {"M", 1e6}, {"G", 1e9}};
constexpr Unit kTimes[] = {{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}};

// A decimal number with one of the units behind it; nothing if it is something else.
std::optional<double> parse_quantity(std::string_view text, std::span<const Unit> units) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    for (const auto& [unit, factor] : units)
        if (text == unit) return value * factor;
    return std::nullopt;
}

std::string print_quantity(double value, std::span<const Unit> units) {
    std::size_t at = 0;
    while (at + 1 < units.size() && value >= units[at + 1].second) ++at;
    return fmt::format("{:.6g} {}", value / units[at].second, units[at].first);
}

}  // namespace

std::optional<LinkModel> parse_link(std::string_view text) {
    if (text == "none") return std::nullopt;
    if (text == "lan") return kLan;
    if (text == "wan") return kWan;
    const std::size_t comma = text.find(',');
    const auto rate = parse_quantity(text.substr(0, comma), kRates);
    const auto time = comma == std::string_view::npos ? std::nullopt : parse_quantity(text.substr(comma + 1), kTimes);
    if (!rate || !time)
        throw Error(ErrorKind::kInvalidArgument,
                    fmt::format("'{}' is no link: expected lan, wan, none, or bandwidth and round trip "
                                "like 400M,40ms (units k, M, G and us, ms, s)",
                                text));
    // Written so that not-a-number is refused too.
    if (!(*rate >= 1e3 && *rate <= 1e12))
        throw Error(ErrorKind::kInvalidArgument,
                    fmt::format("'{}': the bandwidth must be between 1k and 1000G bits per second", text));
    if (!(*time >= 0 && *time <= 60))
        throw Error(ErrorKind::kInvalidArgument, fmt::format("'{}': the round trip must be between 0 and 60 s", text));
    return LinkModel{*rate, *time};
}

std::string to_string(const std::optional<LinkModel>& link) {
    if (!link) return "none";
    const double time = link->round_trip_seconds;
    // Milliseconds are what round trips are given in; seconds and microseconds only far from there.
    const std::string printed =
        time == 0 || (time >= 1e-4 && time < 1) ? fmt::format("{:.6g} ms", time * 1e3) : print_quantity(time, kTimes);
    return fmt::format("{}bit/s, {}", print_quantity(link->bits_per_second, kRates), printed);
}

}  // namespace flash::transport
