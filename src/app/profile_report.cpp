#include "app/profile_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "base/table.h"
#include "protocol/steps.h"

namespace flash::app {

namespace {

/// A row of the table: a layer, or all of them.
struct Row {
    std::array<double, protocol::kSteps> steps{};
    double seconds = 0, waiting = 0;
    std::uint64_t bytes_sent = 0, bytes_received = 0;

    void add(const ProfileEntry& entry) {
        steps[static_cast<std::size_t>(entry.step)] += entry.seconds;
        seconds += entry.seconds;
        if (protocol::is_waiting(entry.step)) waiting += entry.seconds;
        bytes_sent += entry.bytes_sent;
        bytes_received += entry.bytes_received;
    }
};

std::string milliseconds(double seconds) { return fmt::format("{:.2f}", 1e3 * seconds); }

std::string layer_name(int layer, const std::vector<std::string>& layers) {
    if (layer == Profile::kNoLayer) return "(none)";
    const auto at = static_cast<std::size_t>(layer);
    return at < layers.size() ? layers[at] : std::to_string(layer);
}

/// Process number in a trace.
int process(Party party) { return party == Party::kClient ? 1 : 2; }

double microseconds(Profile::Clock::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

nlohmann::json trace_event(const Profile& profile, const Profile::Span& span, Profile::Clock::time_point origin) {
    nlohmann::json arguments = nlohmann::json::object();
    if (span.layer != Profile::kNoLayer) arguments["layer"] = span.layer;
    if (span.bytes_sent) arguments["bytes_sent"] = span.bytes_sent;
    if (span.bytes_received) arguments["bytes_received"] = span.bytes_received;
    return {{"name", protocol::name_of(span.step)},
            {"cat", protocol::is_waiting(span.step) ? "wait" : "work"},
            {"ph", "X"},
            {"ts", microseconds(span.begin - origin)},
            {"dur", microseconds(span.end - span.begin)},
            {"pid", process(profile.party())},
            {"tid", span.thread},
            {"args", arguments}};
}

}  // namespace

std::string profile_table(const Profile& profile, const std::vector<std::string>& layers) {
    std::map<int, Row> rows;
    Row total;
    std::array<bool, protocol::kSteps> occurs{};
    for (const ProfileEntry& entry : summarise(profile)) {
        rows[entry.layer].add(entry);
        total.add(entry);
        occurs[static_cast<std::size_t>(entry.step)] = true;
    }
    std::vector<Table::Column> columns{{"layer"}};
    for (int p = 0; p < protocol::kSteps; ++p)
        if (occurs[p]) columns.push_back({protocol::name_of(static_cast<Step>(p)), Align::kRight});
    for (const char* header : {"ms", "share", "waiting", "bytes sent", "bytes received"})
        columns.push_back({header, Align::kRight});
    Table table(std::move(columns));
    const auto add = [&](const std::string& name, const Row& row) {
        std::vector<std::string> cells{name};
        for (std::size_t p = 0; p < row.steps.size(); ++p)
            if (occurs[p]) cells.push_back(row.steps[p] == 0 ? "" : milliseconds(row.steps[p]));
        cells.push_back(milliseconds(row.seconds));
        cells.push_back(fmt::format("{:.1f}%", total.seconds > 0 ? 100 * row.seconds / total.seconds : 0));
        cells.push_back(milliseconds(row.waiting));
        cells.push_back(with_separators(static_cast<long long>(row.bytes_sent)));
        cells.push_back(with_separators(static_cast<long long>(row.bytes_received)));
        table.add_row(std::move(cells));
    };
    for (const auto& [layer, row] : rows) add(layer_name(layer, layers), row);
    table.add_rule();
    add("all", total);
    return fmt::format("{}: {} ms from begin to end\n{}", to_string(profile.party()),
                       milliseconds(wall_seconds(profile)), table.str());
}

nlohmann::json profile_json(const Profile& profile) {
    nlohmann::json entries = nlohmann::json::array();
    for (const ProfileEntry& entry : summarise(profile)) {
        entries.push_back({{"layer", entry.layer == Profile::kNoLayer ? nlohmann::json() : nlohmann::json(entry.layer)},
                           {"step", protocol::name_of(entry.step)},
                           {"spans", entry.spans},
                           {"seconds", entry.seconds},
                           {"waiting", protocol::is_waiting(entry.step)},
                           {"bytes_sent", entry.bytes_sent},
                           {"bytes_received", entry.bytes_received}});
    }
    return {{"party", to_string(profile.party())}, {"seconds", wall_seconds(profile)}, {"entries", entries}};
}

nlohmann::json profile_trace(std::span<const Profile* const> profiles) {
    std::vector<std::pair<const Profile*, std::vector<Profile::Span>>> recorded;
    std::optional<Profile::Clock::time_point> origin;
    std::set<Party> parties;
    for (const Profile* profile : profiles) {
        parties.insert(profile->party());
        recorded.emplace_back(profile, profile->spans());
        for (const Profile::Span& span : recorded.back().second)
            origin = std::min(origin.value_or(span.begin), span.begin);
    }
    nlohmann::json events = nlohmann::json::array();
    for (const Party party : parties)
        events.push_back(
            {{"name", "process_name"}, {"ph", "M"}, {"pid", process(party)}, {"args", {{"name", to_string(party)}}}});
    for (const auto& [profile, spans] : recorded)
        for (const Profile::Span& span : spans) events.push_back(trace_event(*profile, span, *origin));
    return {{"displayTimeUnit", "ms"}, {"traceEvents", events}};
}

std::string profile_trace_text(const std::deque<Profile>& profiles) {
    std::vector<const Profile*> pointers;
    pointers.reserve(profiles.size());
    for (const Profile& profile : profiles) pointers.push_back(&profile);
    return profile_trace(pointers).dump() + "\n";
}

std::string profile_trace_text(const std::vector<std::shared_ptr<const Profile>>& profiles) {
    std::vector<const Profile*> pointers;
    pointers.reserve(profiles.size());
    for (const auto& profile : profiles) pointers.push_back(profile.get());
    return profile_trace(pointers).dump() + "\n";
}

}  // namespace flash::app
