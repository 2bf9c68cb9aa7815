// Profiles (base/profile.h) for people and for other programs.
#pragma once

#include <deque>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/profile.h"

namespace flash::app {

/// One row per layer, one column per step that occurred, in milliseconds; then the layer's time, its share of all, how
/// much of it was waiting, and bytes. Below the sums of the columns. Times of several threads add up, so that the total
/// may exceed the wall-clock time, which the caption has. layers: names, in order.
std::string profile_table(const Profile& profile, const std::vector<std::string>& layers);

/// {"party", "seconds", "entries": [{"layer" (null without one), "step", "spans", "seconds", "waiting", "bytes_sent",
/// "bytes_received"}]}
nlohmann::json profile_json(const Profile& profile);

/// Trace events as Chrome's chrome://tracing and ui.perfetto.dev read them: the parties are processes, times count from
/// the first span of all. Profiles of both parties may be given if they were recorded in one process (they have one
/// clock then), and those of several inferences.
nlohmann::json profile_trace(std::span<const Profile* const> profiles);
/// The same as text for a file.
std::string profile_trace_text(const std::deque<Profile>& profiles);
std::string profile_trace_text(const std::vector<std::shared_ptr<const Profile>>& profiles);

}  // namespace flash::app
