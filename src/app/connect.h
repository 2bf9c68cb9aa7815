// Which server a command connects to, how it is trusted, and what the client shows to it.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/secret.h"
#include "transport/tls.h"

namespace flash::app {

struct ConnectCommand {
    std::string server;                                         ///< ADDR:PORT
    std::optional<std::string> pin;                             ///< certificate fingerprint
    std::optional<std::filesystem::path> ca;                    ///< trusted certificates
    std::optional<std::filesystem::path> token;                 ///< file with the token to show
    std::optional<std::filesystem::path> certificate, own_key;  ///< client certificate to show: both or neither
    std::chrono::seconds timeout{30};
};

/// Error(kInvalidArgument) for a malformed address or options that exclude each other, Error(kFile) for unusable files.
transport::ClientOptions client_options(const ConnectCommand& command);
/// Null: none. Error(kFile).
std::shared_ptr<const SecretVector<char>> client_token(const ConnectCommand& command);

}  // namespace flash::app
