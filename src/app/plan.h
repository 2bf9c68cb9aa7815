// `flash plan`: what a compiled model costs, layer by layer: exact bytes, and the time over a link that the planner predicts.
#pragma once

#include <filesystem>
#include <string>

namespace flash::app {

struct PlanCommand {
    std::filesystem::path model;
    std::string link = "none";       ///< transport::parse_link; none: both parties on this machine, over its loopback interface
    int cores = 0;                   ///< of each party; 0: as many as this machine has
    bool shared_cores = false;       ///< both parties on the same cores; always so without a link
    bool bytes_only = false;         ///< no times: nothing is measured
    std::filesystem::path replan;    ///< write the model with the packings that take the least time
    bool json = false;
};

/// Prints tables (or JSON) on standard output. Throws Error.
void run_plan(const PlanCommand& command);

}  // namespace flash::app
