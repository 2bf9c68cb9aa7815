#include "protocol/local_session.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "base/error.h"
#include "protocol/server_session.h"
#include "transport/loopback.h"
#include "transport/shaped.h"
#include "transport/tls.h"

namespace flash::protocol {

namespace {

constexpr std::chrono::minutes kPatience{10};  // slow links and slow machines are what is being measured

std::unique_ptr<transport::Channel> over_link(std::unique_ptr<transport::Channel> channel,
                                              const std::optional<transport::LinkModel>& link) {
    return link ? transport::make_shaped(std::move(channel), *link) : std::move(channel);
}

}  // namespace

class LocalSession::Server {
public:
    Server(const PreparedModel& model, const Connection& connection, ShareProbe* probe,
           std::function<Profile*(std::uint32_t number)> profile)
        : model_(model) {
        options_.timeout = kPatience;
        options_.probe = probe;
        options_.profile = std::move(profile);
        options_.on_inference = [this](std::uint32_t, double) {
            const std::lock_guard lock(mutex_);
            ++finished_;
            changed_.notify_all();
        };
        const std::optional<transport::LinkModel> link = connection.link;
        if (!connection.tls) {
            auto [client_end, server_end] = transport::make_loopback();
            client_end_ = over_link(std::move(client_end), link);
            // A failure reaches the client as the protocol's error message.
            thread_ = std::thread([this, end = over_link(std::move(server_end), link)] {
                try {
                    serve_session(model_, *end, options_);
                } catch (const std::exception&) {}
            });
        } else {
            transport::ServerOptions server;
            server.identity = transport::make_self_signed({"localhost"});
            tls_.emplace(std::move(server),
                         [this, link](std::unique_ptr<transport::Channel> channel, const transport::Peer&) {
                             const auto end = over_link(std::move(channel), link);
                             serve_session(model_, *end, options_);
                         });
            transport::ClientOptions client;
            client.host = "127.0.0.1";
            client.port = tls_->address().port;
            client.pinned_fingerprint = tls_->fingerprint();
            client_end_ = over_link(transport::connect_tls(client), link);
        }
    }
    ~Server() {
        client_end_.reset();
        if (thread_.joinable()) thread_.join();
    }

    std::unique_ptr<transport::Channel> take_client_end() { return std::move(client_end_); }
    void wait_for(std::size_t inferences) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, kPatience, [&] { return finished_ >= inferences; }))
            throw Error(ErrorKind::kTimeout, "the server did not finish an inference");
    }

private:
    const PreparedModel& model_;
    ServerSessionOptions options_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t finished_ = 0;
    std::unique_ptr<transport::Channel> client_end_;
    std::thread thread_;
    std::optional<transport::TlsServer> tls_;
};

LocalSession::LocalSession(const PreparedModel& model, const Connection& connection, ShareProbe* server_probe,
                           std::function<Profile*(std::uint32_t number)> server_profile)
    : server_(std::make_unique<Server>(model, connection, server_probe, std::move(server_profile))) {
    ClientSessionOptions options;
    options.timeout = kPatience;
    options.policy.trust_server = true;  // it is this process
    client_ = std::make_unique<ClientSession>(server_->take_client_end(), options);
}

// The client leaves first; the server's thread then ends by itself.
LocalSession::~LocalSession() { client_.reset(); }

ClientResult LocalSession::infer(std::span<const std::int32_t> input, ShareProbe* client_probe,
                                 Profile* client_profile) {
    ClientResult result = client_->infer_integers(input, client_probe, {}, client_profile);
    server_->wait_for(++inferences_);
    return result;
}

}  // namespace flash::protocol
