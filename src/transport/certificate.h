// The server's identity: a key pair and a certificate for it. For local use the server makes a self-signed one, and the
// client pins it by its fingerprint.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"

namespace flash::transport {

/// Certificate (with its chain, leaf first) and private key, both as PEM text. Move-only; the key is wiped.
struct Identity {
    std::string certificate_pem;
    SecretVector<char> key_pem;
};

/// Days that a self-signed certificate is valid: the longest that common clients accept.
inline constexpr int kCertificateDays = 825;

/// New ECDSA P-256 key and self-signed certificate for these host names and IP addresses (subjectAltName; the first is
/// also the common name). Throws Error(kInvalidArgument) if there is none or one is malformed.
Identity make_self_signed(const std::vector<std::string>& hosts, int days = kCertificateDays);

/// Writes both files (base/file.h), the key readable by its owner only. Throws Error(kFile).
void save_identity(const Identity& identity, const std::filesystem::path& certificate_file,
                   const std::filesystem::path& key_file);
/// Reads both files. Throws Error(kFile) if one is missing or malformed or if the key is not the certificate's.
Identity load_identity(const std::filesystem::path& certificate_file, const std::filesystem::path& key_file);

/// Error(kFile) if it is no PEM file of certificates.
void require_certificates(const std::filesystem::path& file);

/// "sha256:" and 64 hexadecimal digits over the DER form of the (first) certificate. Throws Error(kFile).
std::string fingerprint(const Identity& identity);
std::string fingerprint_of_pem(std::string_view certificate_pem);
std::string fingerprint_of_der(std::span<const std::uint8_t> der);
/// Checks a fingerprint given by a user and brings it to the form above (case, missing prefix, colons between bytes).
/// Throws Error(kInvalidArgument).
std::string normalise_fingerprint(std::string_view text);
/// Compares in constant time.
bool same_fingerprint(const std::string& a, const std::string& b);

}  // namespace flash::transport
