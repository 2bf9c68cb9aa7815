#include <openssl/ssl.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <list>
#include <mutex>
#include <set>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/seldom.h"
#include "transport/address_group.h"
#include "transport/byte_connection.h"
#include "transport/listener.h"
#include "transport/proxy_protocol.h"
#include "transport/refusal.h"
#include "transport/tls.h"
#include "transport/tls_channel.h"
#include "transport/tls_identity.h"
#include "transport/tls_server_context.h"
#include "transport/visitors.h"

namespace flash::transport {

using asio::ip::tcp;

namespace {

constexpr std::chrono::seconds kHttpPatience{10};

tcp::endpoint endpoint_of(const sockaddr_storage& remote) {
    tcp::endpoint endpoint;
    const std::size_t bytes = remote.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    std::memcpy(endpoint.data(), &remote, std::min(bytes, endpoint.capacity()));
    endpoint.resize(bytes);
    return endpoint;
}

}  // namespace

class TlsServer::Impl {
public:
    Impl(ServerOptions options, Host host, bool place_first);
    ~Impl() { stop(); }

    void stop_accepting() { listener_.stop(); }
    void stop();
    Address address() const { return listener_.address(); }
    std::string fingerprint() const {
        const std::lock_guard lock(mutex_);
        return fingerprint_;
    }
    void replace_identity(const Identity& identity);
    std::size_t sessions() const { return visitors_.places_taken(); }
    ConnectionCounts counts() const {
        return {accepted_, dropped_, listener_.starved(), failed_handshakes_, refused_, visitors_.gave_way()};
    }

private:
    using ConnectionPtr = std::shared_ptr<TlsConnection>;
    struct Session {
        Peer peer;
        Visitors::Key visitor;
        std::thread thread;
    };
    class OwnPlace;
    using SessionList = std::list<Session>;

    using ContextPtr = std::shared_ptr<asio::ssl::context>;

    ContextPtr context() const {
        const std::lock_guard lock(mutex_);
        return context_;
    }
    void run_io();
    void on_accept(int descriptor, const sockaddr_storage& remote);
    /// Limits the time until TLS is agreed upon, with a timer that is to be cancelled then.
    std::shared_ptr<asio::steady_timer> limit_handshake(const ConnectionPtr& connection, const Visitors::Key& visitor);
    struct Introduction;
    void read_introduction(const std::shared_ptr<Introduction>& introduction);
    void shake_hands(const ConnectionPtr& connection, const Visitors::Key& visitor,
                     const std::shared_ptr<asio::steady_timer>& timer);
    void log_failure(const Visitors::Key& visitor, const std::string& what);
    void on_handshake(const ConnectionPtr& connection, const Visitors::Key& visitor, const asio::error_code& code);
    void start_session(const ConnectionPtr& connection, const Visitors::Key& visitor, const Peer& peer);
    void refuse(const ConnectionPtr& connection, const Peer& peer, const std::string& reason);
    void run_session(SessionList::iterator own, const ConnectionPtr& connection);

    const ServerOptions options_;
    const Host host_;
    const bool place_first_;  // before the host is called
    asio::io_context io_;
    asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
    std::vector<std::thread> io_threads_;
    Visitors visitors_;
    const std::set<std::string> proxies_;
    std::atomic<std::uint64_t> accepted_{0}, dropped_{0}, failed_handshakes_{0}, refused_{0};
    Seldom drop_log_, handshake_log_, refusal_log_;

    mutable std::mutex mutex_;
    std::condition_variable session_ended_;
    bool stopping_ = false;
    ContextPtr context_;  // with the identity of connections to come
    std::string fingerprint_;
    // A session moves from one list to the other without an allocation, which could fail.
    SessionList running_;
    SessionList finished_;  // to be joined; they return at once

    std::shared_ptr<BoundSocket> socket_;
    Listener listener_;  // last: its thread uses all of the above
};

namespace {

VisitorLimits visitor_limits(const ServerOptions& options) {
    VisitorLimits limits;
    limits.places = options.max_sessions;
    limits.places_per_group =
        options.max_sessions_per_address == 0 ? options.max_sessions : options.max_sessions_per_address;
    limits.handshakes_per_group = options.max_handshakes_per_address;
    // A client that is told that there is no place stays until it has read so.
    limits.strangers_per_group = limits.places_per_group + options.max_handshakes_per_address;
    limits.strangers = options.max_sessions + 64;
    limits.retry_after = options.retry_after;
    return limits;
}

}  // namespace

class TlsServer::Impl::OwnPlace final : public Place {
public:
    OwnPlace(Impl& server, const Visitors::Key& visitor) : server_(server), visitor_(visitor) {}
    ~OwnPlace() override { server_.visitors_.leave_place(visitor_); }
    std::optional<std::string> take() override {
        std::string refusal = server_.visitors_.take_place(visitor_);
        if (refusal.empty()) return std::nullopt;
        ++server_.refused_;
        return refusal;
    }
    bool keep() override { return server_.visitors_.keep_place(visitor_); }

private:
    Impl& server_;
    const Visitors::Key& visitor_;
};

TlsServer::Impl::Impl(ServerOptions options, Host host, bool place_first)
    : options_(std::move(options)),
      host_(std::move(host)),
      place_first_(place_first),
      visitors_(visitor_limits(options_)),
      proxies_(proxy_addresses(options_.proxies)),
      socket_(options_.socket ? options_.socket : std::make_shared<BoundSocket>(options_.listen)),
      listener_(*socket_) {
    require(options_.max_sessions > 0 && options_.io_threads > 0, ErrorKind::kInvalidArgument,
            "a server needs at least one session and one I/O thread");
    replace_identity(options_.identity);
    for (std::size_t i = 0; i < options_.io_threads; ++i) io_threads_.emplace_back([this] { run_io(); });
    listener_.start([this](int descriptor, const sockaddr_storage& remote) { on_accept(descriptor, remote); });
}

void TlsServer::Impl::replace_identity(const Identity& identity) {
    ContextPtr context = make_server_context(identity, options_.http != nullptr, options_.client_ca);
    std::string fingerprint = transport::fingerprint(identity);
    const std::lock_guard lock(mutex_);
    context_ = std::move(context);
    fingerprint_ = std::move(fingerprint);
}

void TlsServer::Impl::run_io() {
    while (!io_.stopped()) {
        try {
            io_.run();
        } catch (const std::exception& error) {
            log_error("server I/O: {}", error.what());
        }
    }
}

// An exception, which can only be a shortage, leaves the descriptor to the listener.
void TlsServer::Impl::on_accept(int descriptor, const sockaddr_storage& remote) {
    ++accepted_;
    const tcp::endpoint endpoint = endpoint_of(remote);
    const asio::ip::address address = endpoint.address();
    const std::string host = address.is_v6() && address.to_v6().is_v4_mapped()
                                 ? asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string()
                                 : address.to_string();
    const std::string group = address_group(host);
    const bool of_proxy = proxies_.contains(host);
    if (!visitors_.has_room(group, of_proxy)) {
        ++dropped_;
        if (const auto more = drop_log_.now())
            log_warning(
                "a connection from {} was dropped: too many from there or altogether ({} more since the last "
                "such line)",
                host, *more);
        ::close(descriptor);
        return;
    }
    std::string name = to_string(Address{host, endpoint.port()});
    tcp::socket socket(asio::make_strand(io_));
    socket.assign(endpoint.protocol(), descriptor);
    ConnectionPtr connection;
    try {
        connection = std::make_shared<TlsConnection>(std::move(socket), *context(), "the client", options_.limits);
    } catch (...) {
        // The socket object has closed it already, and the listener must not: the number may be another file's by now.
        ++dropped_;
        return;
    }
    try {
        const Visitors::Key visitor = visitors_.enter(std::move(name), group, connection);
        if (!visitor) return;  // the server stops
        connection->tune_socket();
        asio::post(connection->stream().get_executor(), [this, connection, visitor, of_proxy] {
            const auto timer = limit_handshake(connection, visitor);
            if (of_proxy)
                read_introduction(std::make_shared<Introduction>(connection, visitor, timer));
            else
                shake_hands(connection, visitor, timer);
        });
    } catch (...) {
        ++dropped_;
    }
}

void TlsServer::Impl::log_failure(const Visitors::Key& visitor, const std::string& what) {
    ++failed_handshakes_;
    if (const auto more = handshake_log_.now())
        log_info("connection from {}: {} ({} more such since the last such line)", visitor->name, what, *more);
}

std::shared_ptr<asio::steady_timer> TlsServer::Impl::limit_handshake(const ConnectionPtr& connection,
                                                                     const Visitors::Key& visitor) {
    auto timer = std::make_shared<asio::steady_timer>(connection->stream().get_executor(), options_.handshake_timeout);
    timer->async_wait([this, weak = std::weak_ptr(connection), visitor](const asio::error_code& cancelled) {
        const auto late = weak.lock();
        if (cancelled || !late) return;
        log_failure(visitor, "no TLS handshake in time");
        late->abort_handshake();
    });
    return timer;
}

/// What a proxy says of a connection before it hands it on.
struct TlsServer::Impl::Introduction {
    Introduction(ConnectionPtr of, Visitors::Key key, std::shared_ptr<asio::steady_timer> limit)
        : connection(std::move(of)),
          visitor(std::move(key)),
          timer(std::move(limit)) {}
    const ConnectionPtr connection;
    const Visitors::Key visitor;
    const std::shared_ptr<asio::steady_timer> timer;
    ProxyHeader header;
};

void TlsServer::Impl::read_introduction(const std::shared_ptr<Introduction>& introduction) {
    const auto give_up = [this, introduction](const std::string& why) {
        introduction->timer->cancel();
        log_failure(introduction->visitor, why);
        introduction->connection->abort();
    };
    const auto read = [this, introduction, give_up](const asio::error_code& code, std::size_t bytes) {
        if (code == asio::error::operation_aborted) return;
        try {
            if (code) throw Error(ErrorKind::kNetwork, "the proxy did not say whose it is: " + code.message());
            introduction->header.took(bytes);
            if (!introduction->header.complete()) return read_introduction(introduction);
        } catch (const Error& error) {
            return give_up(error.what());
        }
        if (const auto& source = introduction->header.source())
            if (!visitors_.tell(introduction->visitor, to_string(*source), address_group(source->host))) {
                ++dropped_;
                return give_up("too many connections of " + source->host);
            }
        shake_hands(introduction->connection, introduction->visitor, introduction->timer);
    };
    const auto wanted = introduction->header.wanted();
    introduction->connection->stream().socket().async_read_some(asio::buffer(wanted.data(), wanted.size()), read);
}

void TlsServer::Impl::shake_hands(const ConnectionPtr& connection, const Visitors::Key& visitor,
                                  const std::shared_ptr<asio::steady_timer>& timer) {
    connection->stream().async_handshake(TlsStream::Side::kServer,
                                         [this, connection, visitor, timer](const asio::error_code& result) {
                                             timer->cancel();
                                             on_handshake(connection, visitor, result);
                                         });
}

void TlsServer::Impl::on_handshake(const ConnectionPtr& connection, const Visitors::Key& visitor,
                                   const asio::error_code& code) {
    if (code) {
        if (code != asio::error::operation_aborted) log_failure(visitor, "TLS handshake failed: " + code.message());
        connection->abort();
        return;
    }
    visitors_.end_handshake(visitor);
    const CheckedCertificate shown = checked_certificate(connection->stream().native_handle());
    const Peer peer{visitor->name, visitor->group, shown.name, shown.end};
    if (speaks_http(connection->stream().native_handle())) {
        // The upgrade is the connection's own work: it lives as long as the socket waits for something.
        const auto upgrade = [this, connection, peer, visitor] {
            connection->speak_web_socket();
            connection->start();
            start_session(connection, visitor, peer);
        };
        std::make_shared<ByteConnection>(connection, options_.http(peer), kHttpPatience, upgrade)->start();
        return;
    }
    connection->start();
    start_session(connection, visitor, peer);
}

void TlsServer::Impl::refuse(const ConnectionPtr& connection, const Peer& peer, const std::string& reason) {
    ++refused_;
    if (const auto more = refusal_log_.now())
        log_info("connection from {} was refused: {} ({} more such since the last such line)", peer.name, reason,
                 *more);
    connection->fail(busy(reason, options_.retry_after));
}

void TlsServer::Impl::start_session(const ConnectionPtr& connection, const Visitors::Key& visitor, const Peer& peer) {
    const std::lock_guard lock(mutex_);
    for (Session& session : finished_) session.thread.join();  // past their last use of the mutex
    finished_.clear();
    if (stopping_) return connection->fail("the server is shutting down");
    // Those of connections that gave way end soon; until then they count here.
    const VisitorLimits limits = visitor_limits(options_);
    if (running_.size() >= limits.places + limits.strangers) return refuse(connection, peer, "too many wait for it");
    if (place_first_) {
        if (const std::string reason = visitors_.take_place(visitor); !reason.empty())
            return refuse(connection, peer, reason);
        visitors_.keep_place(visitor);
    }
    SessionList made;
    try {
        made.push_back({peer, visitor, {}});
        const auto own = made.begin();
        own->thread = std::thread([this, own, connection] { run_session(own, connection); });
    } catch (const std::exception& error) {
        log_error("cannot start a session for {}: {}", peer.name, error.what());
        visitors_.leave_place(visitor);
        return refuse(connection, peer, "it cannot start another session");
    }
    running_.splice(running_.end(), made);
}

void TlsServer::Impl::run_session(SessionList::iterator own, const ConnectionPtr& connection) {
    {
        const std::lock_guard lock(mutex_);  // until it stands in the list of those that run
    }
    {
        OwnPlace place(*this, own->visitor);
        try {
            host_(std::make_unique<TlsChannel>(connection), own->peer, place);
        } catch (const std::exception& error) {
            log_warning("session with {} ended: {}", own->peer.name, error.what());
        } catch (...) {
            log_error("session with {} ended with an unknown exception", own->peer.name);
        }
        connection->close();
    }
    const std::lock_guard lock(mutex_);
    finished_.splice(finished_.end(), running_, own);
    session_ended_.notify_all();
}

void TlsServer::Impl::stop() {
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(stopping_, true)) return;
    }
    listener_.stop();
    const std::vector<ConnectionPtr> alive = visitors_.close_doors();
    for (const auto& connection : alive) connection->fail("the server is shutting down");
    {
        std::unique_lock lock(mutex_);
        session_ended_.wait(lock, [&] { return running_.empty(); });
        for (Session& session : finished_) session.thread.join();
        finished_.clear();
    }
    // Let the farewells reach those who listen; the others are cut off.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    for (const auto& connection : alive) {
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

TlsServer::TlsServer(ServerOptions options, Host host)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(host), false)) {}
TlsServer::TlsServer(ServerOptions options, Handler handler)
    : impl_(std::make_unique<Impl>(
          std::move(options),
          [handler = std::move(handler)](std::unique_ptr<Channel> channel, const Peer& peer, Place&) {
              handler(std::move(channel), peer);
          },
          true)) {}
TlsServer::~TlsServer() = default;
Address TlsServer::address() const { return impl_->address(); }
std::string TlsServer::fingerprint() const { return impl_->fingerprint(); }
void TlsServer::replace_identity(Identity identity) { impl_->replace_identity(identity); }
std::size_t TlsServer::sessions() const { return impl_->sessions(); }
ConnectionCounts TlsServer::counts() const { return impl_->counts(); }
void TlsServer::stop_accepting() { impl_->stop_accepting(); }
void TlsServer::stop() { impl_->stop(); }

}  // namespace flash::transport
