// A certificate and its key as one side of TLS shows them. Internal to this folder (it includes Asio).
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <asio.hpp>
#include <asio/ssl/context.hpp>

#include "transport/certificate.h"

namespace flash::transport {

/// whose: "the server's", for the sentence of the Error(kFile) if they cannot be used.
void use_identity(asio::ssl::context& context, const Identity& identity, const std::string& whose);

/// What the peer has shown: its certificate's common name and end. The name is empty if there is no certificate that
/// has been checked, or if it is none that is fit for a log: one of letters, digits, spaces and ". _ - @", at most 64.
struct CheckedCertificate {
    std::string name;
    std::optional<std::chrono::system_clock::time_point> end;
};
CheckedCertificate checked_certificate(SSL* connection);

}  // namespace flash::transport
