// `flash infer`: private inference on pictures.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace flash::app {

struct InferCommand {
    std::string server;                            ///< ADDR:PORT
    std::vector<std::string> inputs;               ///< PNG, JPEG or .npy
    std::optional<std::string> pin;                ///< certificate fingerprint
    std::optional<std::filesystem::path> ca;       ///< trusted certificates
    std::optional<std::string> model_fingerprint;  ///< refuse any other model
    int top = 5;
    bool json = false;
    bool profile = false;                        ///< time and bytes by layer and phase, in the tables or the JSON
    std::optional<std::filesystem::path> trace;  ///< where to write trace events (app/profile_report.h)
    std::chrono::seconds timeout{30};
    int threads = 0;
};

/// Prints classes, costs and phases (or JSON with all logits) on standard output. Throws Error.
void run_infer(const InferCommand& command);

}  // namespace flash::app
