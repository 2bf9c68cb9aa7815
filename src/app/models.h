// `flash models`: what a server offers.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

namespace flash::app {

struct ModelsCommand {
    std::string server;                       ///< ADDR:PORT
    std::optional<std::string> pin;           ///< certificate fingerprint
    std::optional<std::filesystem::path> ca;  ///< trusted certificates
    bool json = false;
    std::chrono::seconds timeout{30};
};

/// Prints the models of a server as a table or as JSON. Throws Error.
void run_models(const ModelsCommand& command);

}  // namespace flash::app
