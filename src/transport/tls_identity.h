// A certificate and its key as one side of TLS shows them. Internal to this folder (it includes Asio).
#pragma once

#include <string>

#include <asio.hpp>
#include <asio/ssl/context.hpp>

#include "transport/certificate.h"

namespace flash::transport {

/// whose: "the server's", for the sentence of the Error(kFile) if they cannot be used.
void use_identity(asio::ssl::context& context, const Identity& identity, const std::string& whose);

/// The common name of the certificate that the peer has shown and that has been checked; empty if there is none, or
/// none that is fit for a log: one name of letters, digits, spaces and ". _ - @", at most 64.
std::string checked_common_name(SSL* connection);

}  // namespace flash::transport
