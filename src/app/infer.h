// `flash infer`: private inference on pictures.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/connect.h"

namespace flash::app {

struct InferCommand : ConnectCommand {
    std::vector<std::string> inputs;   ///< PNG, JPEG or .npy, folders of them, "-" for standard input
    std::optional<std::string> model;  ///< its name at the server, or the fingerprint to insist on
    bool trust_server = false;         ///< accept models with one key for all depths
    bool large_ring = false;           ///< refuse models with uploads in the small ring
    int top = 5;
    bool json = false;
    bool json_lines = false;                       ///< an object a line, as each answer comes
    std::optional<std::filesystem::path> results;  ///< such lines are appended here, and inputs that it has are skipped
    int parallel = 1;                              ///< inferences at a time, each on a connection of its own
    int in_flight = 1;                             ///< inferences at a time on each connection
    int retries = 0;                               ///< further attempts at an input, each on a fresh connection
    bool profile = false;                          ///< time and bytes by layer and step, in the tables or the JSON
    std::optional<std::filesystem::path> trace;    ///< where to write trace events (app/profile_report.h)
    int threads = 0;
};

/// Prints each answer on standard output as it comes, as a table or as JSON with all logits, then what it cost. An
/// input that cannot be read, or whose inference fails, is reported and the others go on. Throws Error at the end if
/// there was one, or if an answer is unreliable (Error(kRange)).
void run_infer(const InferCommand& command);

}  // namespace flash::app
