// `flash plan`: what a compiled model costs, layer by layer: exact bytes, and the time over a link that the planner
// predicts.
#pragma once

#include <filesystem>
#include <string>

#include "planner/time_model.h"

namespace flash::app {

/// Where the parties of an inference are.
struct Place {
    std::string link =
        "none";     ///< transport::parse_link; none: both parties on this machine, over its loopback interface
    int cores = 0;  ///< of each party; 0: as many as this machine has
    bool shared_cores = false;  ///< both parties on the same cores; always so without a link
};

/// The same as the planner takes it. Error as transport::parse_link.
planner::Setting setting_of(const Place& place);

struct PlanCommand {
    std::filesystem::path model;
    Place place;
    bool bytes_only = false;       ///< no times: nothing is measured
    std::filesystem::path replan;  ///< write the model with the packings that take the least time
    bool json = false;
};

/// Prints tables (or JSON) on standard output. Throws Error.
void run_plan(const PlanCommand& command);

}  // namespace flash::app
