// What a server says in the handshake of TLS, and what it asks. Internal to this folder (it includes Asio).
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include <asio.hpp>
#include <asio/ssl/context.hpp>

#include "transport/certificate.h"

namespace flash::transport {

/// TLS 1.3 without resumption, tickets or early data. http: HTTP/1.1 is offered beside frames. client_ca: certificates
/// that these authorities signed are asked for; a client without one goes on. Error(kFile) if one of the files or the
/// identity cannot be used.
std::shared_ptr<asio::ssl::context> make_server_context(const Identity& identity, bool http,
                                                        const std::optional<std::filesystem::path>& client_ca);

/// Whether the client chose HTTP/1.1. After the handshake.
bool speaks_http(SSL* connection);

}  // namespace flash::transport
