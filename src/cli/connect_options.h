// The options of commands that connect to a server.
#pragma once

#include "app/connect.h"
#include "cli/checks.h"

namespace flash::cli {

inline void add_connect_options(CLI::App& command, app::ConnectCommand& connect) {
    command.add_option("--server", connect.server, "HOST:PORT of the server")->required();
    command
        .add_option("--ca", connect.ca,
                    "Trusted certificates (PEM), e.g. the server's own server.crt (default: the system's)")
        ->check(not_empty());
    command.add_option("--pin", connect.pin,
                       "Fingerprint of the server's certificate, sha256:..., as the server prints it");
    command.add_option("--token-file", connect.token, "File with the token to show, where the server asks for one")
        ->check(not_empty());
    command.add_option("--client-cert", connect.certificate,
                       "Certificate chain (PEM) to show, where the server asks for one");
    command.add_option("--client-key", connect.own_key, "Private key (PEM) of --client-cert");
}

}  // namespace flash::cli
