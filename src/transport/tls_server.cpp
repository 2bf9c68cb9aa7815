#include <openssl/err.h>
#include <openssl/ssl.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "transport/tls.h"
#include "transport/tls_channel.h"

namespace flash::transport {

using asio::ip::tcp;

class TlsServer::Impl {
public:
    Impl(ServerOptions options, Handler handler);
    ~Impl() { stop(); }

    void stop();
    Address address() const { return address_; }
    std::string fingerprint() const { return fingerprint_; }
    std::size_t sessions() const {
        const std::lock_guard lock(mutex_);
        return threads_.size();
    }

private:
    using ConnectionPtr = std::shared_ptr<TlsConnection>;

    void configure();
    void listen();
    void run_io();
    void accept();
    void on_accept(tcp::socket socket);
    void on_handshake(const ConnectionPtr& connection, const std::string& peer, const asio::error_code& code);
    void start_session(const ConnectionPtr& connection, const std::string& peer);
    void run_session(std::uint64_t id, const ConnectionPtr& connection, const std::string& peer);
    bool remember(const ConnectionPtr& connection);
    std::vector<ConnectionPtr> alive();

    const ServerOptions options_;
    const Handler handler_;
    const std::string fingerprint_;
    asio::ssl::context context_{asio::ssl::context::tlsv13_server};
    asio::io_context io_;
    asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
    tcp::acceptor acceptor_{asio::make_strand(io_)};
    asio::steady_timer retry_{acceptor_.get_executor()};
    Address address_;
    std::vector<std::thread> io_threads_;

    mutable std::mutex mutex_;
    std::condition_variable session_ended_;
    bool stopping_ = false;
    std::uint64_t next_id_ = 0;
    std::map<std::uint64_t, std::thread> threads_;           // of the running sessions
    std::vector<std::thread> finished_;                      // to be joined; they return at once
    std::vector<std::weak_ptr<TlsConnection>> connections_;  // in handshake, in session, or closing
};

TlsServer::Impl::Impl(ServerOptions options, Handler handler)
    : options_(std::move(options)),
      handler_(std::move(handler)),
      fingerprint_(transport::fingerprint(options_.identity)) {
    require(options_.max_sessions > 0 && options_.io_threads > 0, ErrorKind::kInvalidArgument,
            "a server needs at least one session and one I/O thread");
    configure();
    listen();
    accept();
    for (std::size_t i = 0; i < options_.io_threads; ++i) io_threads_.emplace_back([this] { run_io(); });
}

void TlsServer::Impl::configure() {
    SSL_CTX* context = context_.native_handle();
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_early_data(context, 0);
    asio::error_code code;
    const auto& identity = options_.identity;
    context_.use_certificate_chain(asio::buffer(identity.certificate_pem), code);
    if (!code) {
        context_.use_private_key(asio::buffer(identity.key_pem.data(), identity.key_pem.size()),
                                 asio::ssl::context::pem, code);
    }
    if (!code && SSL_CTX_check_private_key(context) == 1) return;
    ERR_clear_error();
    throw Error(ErrorKind::kFile, "the server's certificate and key cannot be used: " +
                                      (code ? code.message() : std::string("they do not belong together")));
}

void TlsServer::Impl::listen() {
    const std::shared_ptr<BoundSocket> socket =
        options_.socket ? options_.socket : std::make_shared<BoundSocket>(options_.listen);
    address_ = socket->address();
    const auto check = [&](const asio::error_code& code) {
        if (code) throw Error(ErrorKind::kNetwork, "cannot listen on " + to_string(address_) + ": " + code.message());
    };
    asio::error_code code;
    acceptor_.assign(socket->ipv6() ? tcp::v6() : tcp::v4(), socket->release(), code);
    check(code);
}

void TlsServer::Impl::run_io() {
    while (!io_.stopped()) {
        try {
            io_.run();
        } catch (const std::exception& error) {
            spdlog::error("server I/O: {}", error.what());
        }
    }
}

void TlsServer::Impl::accept() {
    acceptor_.async_accept(asio::make_strand(io_), [this](const asio::error_code& code, tcp::socket socket) {
        if (code == asio::error::operation_aborted || !acceptor_.is_open()) return;
        if (code) {
            // Usually out of file descriptors: other sessions go on, and some will end.
            spdlog::warn("cannot accept a connection: {}", code.message());
            retry_.expires_after(std::chrono::milliseconds(100));
            retry_.async_wait([this](const asio::error_code& stopped) {
                if (!stopped) accept();
            });
            return;
        }
        try {
            on_accept(std::move(socket));
        } catch (const std::exception& error) {
            spdlog::warn("a new connection was dropped: {}", error.what());
        }
        accept();
    });
}

// Keeps track of a connection for stop(). Returns false, and the caller drops it, if the server stops or if far more
// connections than sessions are open: clients that shake hands slowly, or a flood.
bool TlsServer::Impl::remember(const ConnectionPtr& connection) {
    const std::lock_guard lock(mutex_);
    std::erase_if(connections_, [](const auto& weak) { return weak.expired(); });
    if (stopping_ || connections_.size() >= 2 * options_.max_sessions + 64) return false;
    connections_.push_back(connection);
    return true;
}

void TlsServer::Impl::on_accept(tcp::socket socket) {
    asio::error_code code;
    const auto remote = socket.remote_endpoint(code);
    if (code) return;  // gone already
    const std::string peer = to_string(Address{remote.address().to_string(), remote.port()});
    const auto connection = std::make_shared<TlsConnection>(std::move(socket), context_, "the client", options_.limits);
    if (!remember(connection)) {
        spdlog::warn("connection from {} was dropped: too many connections", peer);
        return;
    }
    connection->tune_socket();
    const auto executor = connection->stream().get_executor();
    asio::post(executor, [this, connection, peer, executor] {
        auto timer = std::make_shared<asio::steady_timer>(executor, options_.handshake_timeout);
        timer->async_wait([weak = std::weak_ptr(connection), peer](const asio::error_code& cancelled) {
            const auto late = weak.lock();
            if (cancelled || !late) return;
            spdlog::info("connection from {}: no TLS handshake in time", peer);
            late->abort_handshake();
        });
        connection->stream().async_handshake(TlsStream::Side::kServer,
                                             [this, connection, peer, timer](const asio::error_code& result) {
                                                 timer->cancel();
                                                 on_handshake(connection, peer, result);
                                             });
    });
}

void TlsServer::Impl::on_handshake(const ConnectionPtr& connection, const std::string& peer,
                                   const asio::error_code& code) {
    if (code) {
        if (code != asio::error::operation_aborted)
            spdlog::info("connection from {}: TLS handshake failed: {}", peer, code.message());
        connection->abort();
        return;
    }
    connection->start();
    start_session(connection, peer);
}

void TlsServer::Impl::start_session(const ConnectionPtr& connection, const std::string& peer) {
    const std::lock_guard lock(mutex_);
    for (auto& thread : finished_) thread.join();  // past their last use of the mutex
    finished_.clear();
    if (stopping_) {
        connection->fail("the server is shutting down");
        return;
    }
    if (threads_.size() >= options_.max_sessions) {
        spdlog::info("connection from {} was refused: {} sessions are running", peer, threads_.size());
        connection->fail("the server is busy: it already serves " + std::to_string(threads_.size()) +
                         " clients; try again later");
        return;
    }
    try {
        const std::uint64_t id = next_id_++;
        threads_.emplace(id, std::thread([this, id, connection, peer] { run_session(id, connection, peer); }));
    } catch (const std::exception& error) {
        spdlog::error("cannot start a session for {}: {}", peer, error.what());
        connection->fail("the server is busy: it cannot start another session; try again later");
    }
}

void TlsServer::Impl::run_session(std::uint64_t id, const ConnectionPtr& connection, const std::string& peer) {
    spdlog::debug("session {} with {} starts", id, peer);
    try {
        handler_(std::make_unique<TlsChannel>(connection), peer);
    } catch (const std::exception& error) {
        spdlog::warn("session {} with {} ended: {}", id, peer, error.what());
    } catch (...) {
        spdlog::error("session {} with {} ended with an unknown exception", id, peer);
    }
    connection->close();
    spdlog::debug("session {} with {} ends", id, peer);
    const std::lock_guard lock(mutex_);
    const auto own = threads_.find(id);
    finished_.push_back(std::move(own->second));
    threads_.erase(own);
    session_ended_.notify_all();
}

std::vector<TlsServer::Impl::ConnectionPtr> TlsServer::Impl::alive() {
    std::vector<ConnectionPtr> found;
    const std::lock_guard lock(mutex_);
    for (const auto& weak : connections_) {
        if (auto connection = weak.lock()) found.push_back(std::move(connection));
    }
    return found;
}

void TlsServer::Impl::stop() {
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(stopping_, true)) return;
    }
    asio::post(acceptor_.get_executor(), [this] {
        asio::error_code ignored;
        acceptor_.close(ignored);
        retry_.cancel();
    });
    for (const auto& connection : alive()) connection->fail("the server is shutting down");
    {
        std::unique_lock lock(mutex_);
        session_ended_.wait(lock, [&] { return threads_.empty(); });
        for (auto& thread : finished_) thread.join();
        finished_.clear();
    }
    // Let the farewells reach those who listen; the others are cut off.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    for (const auto& connection : alive()) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        if (connection->wait_closed(std::max(left, std::chrono::milliseconds(0)))) continue;
        connection->abort();
        connection->wait_closed(std::chrono::milliseconds(100));
    }
    work_.reset();
    io_.stop();
    for (auto& thread : io_threads_) thread.join();
}

TlsServer::TlsServer(ServerOptions options, Handler handler)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(handler))) {}
TlsServer::~TlsServer() = default;
Address TlsServer::address() const { return impl_->address(); }
std::string TlsServer::fingerprint() const { return impl_->fingerprint(); }
std::size_t TlsServer::sessions() const { return impl_->sessions(); }
void TlsServer::stop() { impl_->stop(); }

}  // namespace flash::transport
