// `flash serve`: one compiled model behind TLS, a thread per client.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include "app/server_identity.h"
#include "lattice/product_choice.h"

namespace flash::app {

struct ServeCommand {
    std::filesystem::path model;
    bool use_cache = true;        ///< keep the `a` halves in a file, so that the next start is faster
    std::filesystem::path cache;  ///< that file; empty: MODEL.cache
    std::size_t transform_bytes = lattice::kTransformBudget;  ///< for weights that are kept transformed
    std::string listen = "127.0.0.1:7400";
    IdentityRequest identity;                        ///< the certificate
    std::optional<std::filesystem::path> port_file;  ///< the bound port is written here, for scripts
    std::size_t max_sessions = 16;
    std::chrono::seconds timeout{30};
    std::chrono::seconds idle_timeout{300};
    int threads = 0;
    bool guard = false;         ///< protocol::Activation::guarded
    std::optional<int> reveal;  ///< bits of a result, where they are fewer than the model's
};

/// Serves until SIGINT, SIGTERM or SIGHUP; SIGUSR1 and SIGUSR2 have it log what it is doing. Throws Error if it cannot
/// start.
void run_serve(const ServeCommand& command);

}  // namespace flash::app
