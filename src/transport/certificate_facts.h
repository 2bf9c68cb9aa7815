// What a certificate says: for whom it is, and from when until when.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

struct x509_st;  // OpenSSL's X509

namespace flash::transport {

struct CertificateFacts {
    std::chrono::system_clock::time_point begins, ends;
    std::vector<std::string> hosts;  ///< names and addresses (subjectAltName), as they are written in an option
};

/// Of the first certificate of a PEM text. Error(kFile) if it cannot be read.
CertificateFacts certificate_facts(std::string_view certificate_pem);
CertificateFacts certificate_facts(const x509_st& certificate);

/// Whether a client that connects to this name or address finds it in the certificate.
bool names_host(std::string_view certificate_pem, const std::string& host);

}  // namespace flash::transport
