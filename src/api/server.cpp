#include "flash/server.h"

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "api/model_data.h"
#include "base/log.h"
#include "base/table.h"
#include "protocol/prepared_model.h"
#include "protocol/server_session.h"
#include "transport/address.h"
#include "transport/certificate.h"
#include "transport/tls.h"

namespace flash {

namespace {

transport::Identity identity_of(const ServerOptions& options, const transport::Address& listen) {
    if (options.certificate.has_value() != options.key.has_value())
        throw Error(ErrorKind::kInvalidArgument, "a certificate and its key come together");
    if (options.certificate) return transport::load_identity(*options.certificate, *options.key);
    std::vector<std::string> hosts = {"localhost", "127.0.0.1", "::1"};
    if (!listen.host.empty() && listen.host != "0.0.0.0" && listen.host != "::")
        hosts.insert(hosts.begin(), listen.host);
    return transport::make_self_signed(hosts);
}

}  // namespace

class Server::Impl {
public:
    Impl(const Model& model, ServerOptions options) : model_(model.data().model), options_(std::move(options)) {
        transport::ServerOptions transport;
        transport.listen = transport::parse_address(options_.listen);
        transport.identity = identity_of(options_, transport.listen);
        transport.max_sessions = options_.max_sessions;
        transport.limits.max_queued = protocol::server_queue_bytes(model_.cost());
        transport.limits.timeout = options_.timeout;
        server_ = std::make_unique<transport::TlsServer>(
            std::move(transport), [this](std::unique_ptr<transport::Channel> channel, const transport::Peer& peer) {
                serve(*channel, peer.name);
            });
    }
    ~Impl() { stop(); }

    const transport::TlsServer& server() const { return *server_; }
    std::uint64_t inferences() const { return inferences_; }

    void stop() {
        stop_ = true;
        server_->stop();
    }

private:
    void serve(transport::Channel& channel, const std::string& client) {
        protocol::ServerSessionOptions session;
        session.timeout = options_.timeout;
        session.idle_timeout = options_.idle_timeout;
        session.stop = &stop_;
        session.in_flight = static_cast<std::uint32_t>(std::max(options_.in_flight, 1));
        session.on_inference = [&](std::uint32_t, double seconds) {
            ++inferences_;
            log_info("{}: inference in {:.3f} s", client, seconds);
        };
        try {
            protocol::serve_session(model_, channel, session);
        } catch (const Error& error) {
            // The client has been told.
            log_warning("{}: {}: {}", client, to_string(error.kind()), printable(error.what()));
        }
    }

    protocol::PreparedModel model_;
    ServerOptions options_;
    std::atomic<bool> stop_{false};
    std::atomic<std::uint64_t> inferences_{0};
    std::unique_ptr<transport::TlsServer> server_;  // last: its threads use all of the above
};

Server::Server(const Model& model, ServerOptions options) : impl_(std::make_unique<Impl>(model, std::move(options))) {}
Server::~Server() = default;
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;

std::string Server::address() const { return transport::to_string(impl_->server().address()); }
std::string Server::pin() const { return impl_->server().fingerprint(); }
std::size_t Server::sessions() const { return impl_->server().sessions(); }
std::uint64_t Server::inferences() const { return impl_->inferences(); }
void Server::stop() { impl_->stop(); }

}  // namespace flash
