// `flash serve`: one compiled model behind TLS, a thread per client.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lattice/product_choice.h"

namespace flash::app {

struct ServeCommand {
    std::filesystem::path model;
    bool use_cache = true;        ///< keep the `a` halves in a file, so that the next start is faster
    std::filesystem::path cache;  ///< that file; empty: MODEL.cache
    std::size_t transform_bytes = lattice::kTransformBudget;  ///< for weights that are kept transformed
    std::string listen = "127.0.0.1:7400";
    /// Certificate chain and key (PEM). Without them a self-signed pair is kept in cert_dir.
    std::optional<std::filesystem::path> certificate, key;
    std::filesystem::path cert_dir;  ///< empty: the user's state directory
    std::vector<std::string>
        hosts;  ///< names in a new self-signed certificate; default: localhost and the listen address
    std::optional<std::filesystem::path> port_file;  ///< the bound port is written here, for scripts
    std::size_t max_sessions = 16;
    std::chrono::seconds timeout{30};
    std::chrono::seconds idle_timeout{300};
    int threads = 0;
};

/// Serves until SIGINT or SIGTERM. Throws Error if it cannot start.
void run_serve(const ServeCommand& command);

/// Default directory of the self-signed certificate: $XDG_STATE_HOME/flash or ~/.local/state/flash.
std::filesystem::path default_state_directory();

}  // namespace flash::app
