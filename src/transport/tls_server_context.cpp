#include "transport/tls_server_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "transport/tls_identity.h"

namespace flash::transport {

namespace {

constexpr std::string_view kHttp = "http/1.1", kFrames = "flash/";

/// OpenSSL's callback: frames before HTTP, where there is any.
template <bool kWithHttp>
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                    void*) {
    std::string_view offers(reinterpret_cast<const char*>(in), in_size), http;
    while (!offers.empty()) {
        const std::size_t size = static_cast<unsigned char>(offers.front());
        const std::string_view offer = offers.substr(1, size);
        if (offer.starts_with(kFrames) || (kWithHttp && offer == kHttp && http.empty())) {
            *out = reinterpret_cast<const unsigned char*>(offer.data());
            *out_size = static_cast<unsigned char>(offer.size());
            if (offer.starts_with(kFrames)) return SSL_TLSEXT_ERR_OK;
            http = offer;
        }
        offers.remove_prefix(std::min(size + 1, offers.size()));
    }
    return http.empty() ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_OK;
}

/// Without one, a client goes on. What it may make the server check is bounded: 16 KiB of certificates, four deep.
void ask_for_certificates(asio::ssl::context& context, const std::filesystem::path& authorities) {
    asio::error_code code;
    context.load_verify_file(authorities.string(), code);
    STACK_OF(X509_NAME)* names = code ? nullptr : SSL_load_client_CA_file(authorities.c_str());
    ERR_clear_error();
    if (names == nullptr) throw Error(ErrorKind::kFile, "cannot read certificates from " + authorities.string());
    SSL_CTX* raw = context.native_handle();
    SSL_CTX_set_client_CA_list(raw, names);
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_verify_depth(raw, 4);
    SSL_CTX_set_max_cert_list(raw, 16 << 10);
}

}  // namespace

std::shared_ptr<asio::ssl::context> make_server_context(const Identity& identity, bool http,
                                                        const std::optional<std::filesystem::path>& client_ca) {
    auto made = std::make_shared<asio::ssl::context>(asio::ssl::context::tlsv13_server);
    SSL_CTX* context = made->native_handle();
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_early_data(context, 0);
    SSL_CTX_set_alpn_select_cb(context, http ? choose_protocol<true> : choose_protocol<false>, nullptr);
    use_identity(*made, identity, "the server's");
    if (client_ca) ask_for_certificates(*made, *client_ca);
    return made;
}

bool speaks_http(SSL* connection) {
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(connection, &chosen, &size);
    return std::string_view(reinterpret_cast<const char*>(chosen), size) == kHttp;
}

}  // namespace flash::transport
