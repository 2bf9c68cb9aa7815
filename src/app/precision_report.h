// How well a compiled model keeps the float network: what `flash compile` prints about quantisation.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "compiler/compile.h"

namespace flash::app {

/// The layers' table, the choices that were tried, and the summary; ends with a newline. images: what the calibration
/// pictures are.
std::string precision_text(const compiler::Report& report, const std::string& images);
nlohmann::json precision_json(const compiler::Report& report);

}  // namespace flash::app
