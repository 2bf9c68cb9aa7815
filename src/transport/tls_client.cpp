#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "base/error.h"
#include "transport/certificate_facts.h"
#include "transport/tls.h"
#include "transport/tls_channel.h"
#include "transport/tls_identity.h"

namespace flash::transport {

namespace {

using asio::ip::tcp;

// What the certificate check saw and decided; OpenSSL calls the check with a pointer to this.
struct CertificateCheck {
    std::optional<std::string> pin;
    std::string seen = "none";  // fingerprint of the server's certificate
    int error = X509_V_OK;      // why it was refused
    std::string reason;         // the same as a sentence; empty if it was not refused
    std::string hosts;          // that it names
};

int check_certificate(X509_STORE_CTX* store, void* argument) {
    auto& check = *static_cast<CertificateCheck*>(argument);
    try {
        X509* leaf = X509_STORE_CTX_get0_cert(store);
        unsigned char* der = nullptr;
        const int size = leaf != nullptr ? i2d_X509(leaf, &der) : 0;
        if (size <= 0) {
            check.reason = "it cannot be read";
            return 0;
        }
        check.seen = fingerprint_of_der({der, static_cast<std::size_t>(size)});
        OPENSSL_free(der);
        if (check.pin) {
            if (same_fingerprint(*check.pin, check.seen)) {
                X509_STORE_CTX_set_error(store, X509_V_OK);
                return 1;
            }
            check.reason = "it is not the pinned one";
            X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
            return 0;
        }
        if (X509_verify_cert(store) == 1) return 1;
        check.error = X509_STORE_CTX_get_error(store);
        check.reason = X509_verify_cert_error_string(check.error);
        for (const std::string& host : certificate_facts(*leaf).hosts)
            check.hosts += (check.hosts.empty() ? "" : ", ") + host;
        return 0;
    } catch (...) {
        return 0;
    }
}

// The client's own event loop. The thread starts when the connection stands.
struct ClientLoop {
    asio::ssl::context context{asio::ssl::context::tlsv13_client};
    CertificateCheck check;
    asio::io_context io{1};
    asio::ip::tcp::resolver resolver{io};
    tcp::socket socket{asio::make_strand(io)};
    std::optional<asio::error_code> result;  // of the step of connecting that is under way
    std::thread thread;

    void run() {
        thread = std::thread([this] {
            auto work = asio::make_work_guard(io);
            while (!io.stopped()) {
                try {
                    io.run();
                } catch (const std::exception&) {
                    // Out of memory in a handler: that connection times out.
                }
            }
        });
    }
    ~ClientLoop() {
        io.stop();
        if (thread.joinable()) thread.join();
    }
};

class ClientChannel final : public TlsChannel {
public:
    ClientChannel(std::unique_ptr<ClientLoop> loop, std::shared_ptr<TlsConnection> connection)
        : TlsChannel(std::move(connection)),
          loop_(std::move(loop)) {}
    ~ClientChannel() override {
        connection_->close();
        // The farewell is sent by the loop, so that must run a little longer.
        if (!connection_->wait_closed(TlsConnection::kLinger + std::chrono::milliseconds(200))) connection_->abort();
        loop_->io.stop();
        loop_->thread.join();
        connection_.reset();
        loop_.reset();
    }

private:
    std::unique_ptr<ClientLoop> loop_;
};

void configure(ClientLoop& loop, const ClientOptions& options, const std::string& host) {
    SSL_CTX* context = loop.context.native_handle();
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (!options.protocol.empty()) {
        const std::string wire = static_cast<char>(options.protocol.size()) + options.protocol;
        SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(wire.data()),
                                static_cast<unsigned>(wire.size()));
    }
    if (options.identity) use_identity(loop.context, *options.identity, "the client's");
    if (options.pinned_fingerprint) {
        loop.check.pin = normalise_fingerprint(*options.pinned_fingerprint);
    } else if (options.ca_file) {
        asio::error_code code;
        loop.context.load_verify_file(options.ca_file->string(), code);
        if (code) {
            throw Error(ErrorKind::kFile,
                        "cannot read trusted certificates from " + options.ca_file->string() + ": " + code.message());
        }
    } else {
        asio::error_code ignored;  // without a system store no certificate is trusted, which the check will say
        loop.context.set_default_verify_paths(ignored);
    }
    X509_VERIFY_PARAM* parameters = SSL_CTX_get0_param(context);
    asio::error_code not_numeric;
    asio::ip::make_address(host, not_numeric);
    const int named = not_numeric ? X509_VERIFY_PARAM_set1_host(parameters, host.c_str(), 0)
                                  : X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str());
    require(named == 1, ErrorKind::kInvalidArgument, "the server's host name cannot be checked against a certificate");
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_cert_verify_callback(context, check_certificate, &loop.check);
}

/// How long connecting may last.
struct Patience {
    std::chrono::steady_clock::time_point deadline;
    std::stop_token stop;

    bool is_over() const { return stop.stop_requested() || std::chrono::steady_clock::now() >= deadline; }
};

// Runs the loop until the result is there or the patience is over. Returns whether it is there.
bool run_until(ClientLoop& loop, const Patience& patience) {
    constexpr std::chrono::milliseconds kPoll{50};  // that often it looks whether it is to stop
    loop.io.restart();
    while (!loop.result && !patience.is_over()) {
        const auto next = std::min(patience.deadline, std::chrono::steady_clock::now() + kPoll);
        if (loop.io.run_one_until(next) == 0 && loop.io.stopped()) break;
    }
    return loop.result.has_value();
}

// Gives up a loop in the middle of connecting. Its destructor waits for the system's resolver, which cannot be
// interrupted and may take far longer than the caller's time limit, so another thread does that.
void abandon(std::unique_ptr<ClientLoop> loop) {
    std::thread([loop = std::move(loop)]() mutable { loop.reset(); }).detach();
}

[[noreturn]] void gave_up(const Patience& patience, const std::string& where, const char* stage,
                          const ClientOptions& options) {
    if (patience.stop.stop_requested()) throw Error(ErrorKind::kCancelled, "cancelled while connecting to " + where);
    throw Error(ErrorKind::kTimeout, "no answer from " + where + " within " + std::to_string(options.timeout.count()) +
                                         " ms (" + stage + ")");
}

/// What is wrong with a server's certificate, and what whoever runs the client can do about it.
std::string distrust(const CertificateCheck& check, const std::string& host, const ClientOptions& options) {
    const std::string pin = "; or, once you have compared it with what the server prints, --pin " + check.seen;
    switch (check.error) {
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return "it does not name " + host + " but " + (check.hosts.empty() ? "nothing" : check.hosts) +
                   "; connect to one of these, or have the server started with --host " + host + " and take its new " +
                   "certificate" + pin;
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return "it has expired, unless this machine's clock is wrong; a self-signed one is renewed by " +
                   std::string("flash serve --renew-certificate") + pin;
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "it is not valid yet: the clock of this machine or of the server's is wrong" + pin;
        default: break;
    }
    if (options.ca_file)
        return check.reason + ": it is neither in " + options.ca_file->string() +
               " nor issued by one that is; was it renewed? Pass the file that the server has now" + pin;
    return check.reason + ": a self-signed one is trusted with --ca and the server's own server.crt" + pin;
}

[[noreturn]] void handshake_failed(const std::string& where, const std::string& host, const asio::error_code& code,
                                   const CertificateCheck& check, const ClientOptions& options) {
    if (check.reason.empty()) {
        throw Error(ErrorKind::kNetwork, "TLS handshake with " + where + " failed: " + code.message() +
                                             "; is a Flash server listening there?");
    }
    throw Error(ErrorKind::kNetwork,
                "the server's certificate is not trusted: " +
                    (check.pin ? check.reason + "; expected fingerprint " + *check.pin + ", got " + check.seen +
                                     "; was it renewed? Ask whoever runs the server for the new fingerprint"
                               : distrust(check, host, options)));
}

}  // namespace

std::unique_ptr<Channel> connect_tls(const ClientOptions& options, const std::stop_token& stop) {
    const std::string host = options.host.empty() ? "localhost" : options.host;
    const std::string where = to_string(Address{host, options.port});
    const Patience patience{std::chrono::steady_clock::now() + options.timeout, stop};

    auto loop = std::make_unique<ClientLoop>();
    configure(*loop, options, host);

    loop->resolver.async_resolve(
        host, std::to_string(options.port), tcp::resolver::numeric_service,
        [l = loop.get()](const asio::error_code& unresolved, const tcp::resolver::results_type& endpoints) {
            if (unresolved) {
                l->result = unresolved;
                return;
            }
            asio::async_connect(l->socket, endpoints,
                                [l](const asio::error_code& code, const tcp::endpoint&) { l->result = code; });
        });
    if (!run_until(*loop, patience)) {
        abandon(std::move(loop));
        gave_up(patience, where, "connecting", options);
    }
    if (*loop->result) throw Error(ErrorKind::kNetwork, "cannot connect to " + where + ": " + loop->result->message());

    auto connection =
        std::make_shared<TlsConnection>(std::move(loop->socket), loop->context, "the server", options.limits);
    connection->tune_socket();
    asio::error_code not_numeric;
    asio::ip::make_address(host, not_numeric);
    if (not_numeric) SSL_set_tlsext_host_name(connection->stream().native_handle(), host.c_str());
    loop->result.reset();
    connection->stream().async_handshake(
        TlsStream::Side::kClient, [l = loop.get(), connection](const asio::error_code& code) { l->result = code; });
    if (!run_until(*loop, patience)) {
        connection.reset();  // the loop destroys it with the pending handshake
        gave_up(patience, where, "TLS handshake", options);
    }
    if (*loop->result) handshake_failed(where, host, *loop->result, loop->check, options);

    loop->io.restart();
    loop->run();
    connection->start();
    return std::make_unique<ClientChannel>(std::move(loop), std::move(connection));
}

}  // namespace flash::transport
