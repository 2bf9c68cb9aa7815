#include "transport/tls_identity.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "transport/certificate_facts.h"

namespace flash::transport {

namespace {

std::string common_name(const X509* certificate) {
    const X509_NAME* subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    // Of two names it would not be clear which one somebody has vouched for.
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return {};
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size <= 0) return {};
    const std::unique_ptr<unsigned char, decltype([](unsigned char* p) { OPENSSL_free(p); })> owner(text);
    const std::string name(text, text + size);
    const auto fit = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ' || c == '.' ||
               c == '_' || c == '-' || c == '@';
    };
    return size <= 64 && std::ranges::all_of(name, fit) ? name : std::string();
}

}  // namespace

void use_identity(asio::ssl::context& context, const Identity& identity, const std::string& whose) {
    asio::error_code code;
    context.use_certificate_chain(asio::buffer(identity.certificate_pem), code);
    if (!code)
        context.use_private_key(asio::buffer(identity.key_pem.data(), identity.key_pem.size()), asio::ssl::context::pem,
                                code);
    if (!code && SSL_CTX_check_private_key(context.native_handle()) == 1) return;
    ERR_clear_error();
    throw Error(ErrorKind::kFile, whose + " certificate and key cannot be used: " +
                                      (code ? code.message() : std::string("they do not belong together")));
}

CheckedCertificate checked_certificate(SSL* connection) {
    const X509* certificate = SSL_get0_peer_certificate(connection);
    if (certificate == nullptr || SSL_get_verify_result(connection) != X509_V_OK) return {};
    CheckedCertificate checked{common_name(certificate), certificate_facts(*certificate).ends};
    ERR_clear_error();
    return checked;
}

}  // namespace flash::transport
