// The table that `flash compile` and `flash plan` print: what each layer looks like and what it costs on the wire.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "model/model.h"
#include "planner/choose_slots.h"

namespace flash::app {

/// Everything below is derived from the compiled model alone, but for the times of other slots where a timing is given;
/// byte counts are exact.
std::string plan_table(const model::Model& model, const planner::Timing* timing = nullptr);
nlohmann::json plan_json(const model::Model& model, const planner::Timing* timing = nullptr);

}  // namespace flash::app
