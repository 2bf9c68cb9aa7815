// `flash serve`: compiled models behind TLS.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include "app/server_identity.h"
#include "service/log.h"
#include "service/model_store.h"
#include "service/server.h"

namespace flash::app {

struct ServeCommand {
    std::filesystem::path model;   ///< one compiled model, or
    std::filesystem::path models;  ///< a folder of them
    service::LoadOptions load;
    std::string listen = "127.0.0.1:7400";
    IdentityRequest identity;                        ///< the certificate
    service::AccessSettings access;                  ///< who may ask; `certificates` follows from settings.client_ca
    std::string budgets;                             ///< service::open_budget_store
    std::optional<std::filesystem::path> port_file;  ///< the bound port is written here, for scripts
    service::ServerSettings settings;                ///< limits; its sockets are made of the addresses
    std::size_t session_memory_mib = 0;              ///< 0: three quarters of what the models leave free
    std::chrono::seconds watch{0};                   ///< how often changed models are looked for; 0: on SIGHUP only
    std::chrono::seconds drain{30};                  ///< that running inferences have once the server is to end
    std::filesystem::path web;                       ///< folder of a web page to offer; empty: none
    std::string http;                                ///< ADDR:PORT of HTTP without TLS; empty: none
    std::optional<std::filesystem::path> http_port_file;
    service::LogFormat log_format = service::LogFormat::kText;
    std::string log_level = "info";
    bool check = false;  ///< look at what can be wrong and load the models, and end: binds and writes nothing
    int threads = 0;
};

/// Serves until SIGINT or SIGTERM, which let running inferences end; a second one, or one before it serves, ends the
/// process at once. SIGHUP has it look for changed models, SIGUSR1 and SIGUSR2 log what it is doing. Throws Error if it
/// cannot start.
void run_serve(const ServeCommand& command);

}  // namespace flash::app
