// What the benchmark commands share when they print.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace flash::comparison {

/// Error(kFile) if write_json() could not write there: to be asked before measuring.
void require_destination(const std::string& destination);

/// Writes JSON to a file or, for "-", to standard output. An empty destination: nothing is written, false. After a file
/// the caller still prints its tables, so that is false as well. Error(kFile) if the file cannot be written.
bool write_json(const nlohmann::json& json, const std::string& destination);

/// A few lines on the machine (machine_json()), for the head of a table.
std::string machine_text(const nlohmann::json& machine, int threads);

}  // namespace flash::comparison
