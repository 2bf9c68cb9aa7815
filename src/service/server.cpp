#include "service/server.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <optional>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/heap.h"
#include "base/table.h"
#include "protocol/server_session.h"
#include "service/model_name.h"
#include "service/refusal.h"

namespace flash::service {

namespace {

/// How long a session waits for memory that others hold: less than a client's patience.
constexpr std::chrono::seconds kMemoryWait{3};
constexpr const char* kTooLate = "no inference was begun in time";
constexpr std::chrono::seconds kRetryBusy{2}, kRetryDraining{1};

std::vector<protocol::ModelEntry> entries(const ModelStore& models) {
    std::vector<protocol::ModelEntry> list;
    for (const ServedModelPtr& model : models.list())
        list.push_back(
            {model->name, model->version, model->prepared->fingerprint(), model->prepared->architecture().name});
    return list;
}

}  // namespace

/// One connection, on its own thread.
class Server::Session {
public:
    Session(Server& server, transport::Channel& channel, const transport::Peer& peer)
        : server_(server),
          channel_(channel),
          peer_(peer),
          watch_(server.watchdog_, channel) {
        ++server_.sessions_;
    }
    ~Session() {
        end_of_inference();
        // While others are being served, what this one has used serves them.
        if (--server_.sessions_ == 0) return_freed_memory();
    }

    void run() {
        protocol::ServerSessionOptions options;
        options.first_timeout = server_.settings_.first_timeout;
        options.timeout = server_.settings_.timeout;
        options.idle_timeout = server_.settings_.idle_timeout;
        options.stop = &server_.draining_;
        options.on_start = [this](std::uint32_t) { start(); };
        options.on_upload = [this] { uploaded(); };
        options.on_inference = [this](double seconds) { done(seconds); };
        try {
            watch_.arm(2 * server_.settings_.first_timeout, kTooLate);
            const auto summary =
                protocol::serve_session([this](const protocol::ClientHello& hello) { return choose(hello); },
                                        [this] { return entries(server_.models_); }, channel_, options);
            if (model_) spdlog::info("{}: left after {} inferences", peer_.name, summary.inferences);
        } catch (const Refusal& refusal) {
            ++server_.refusals_;
            spdlog::info("{}: {}", peer_.name, printable(refusal.what()));
        } catch (const Error& error) {
            if (in_inference_) ++server_.failures_;
            const auto late = watch_.bitten();
            // Whoever has shown no work can end in this way at any rate.
            const auto more = in_inference_ ? std::optional<std::uint64_t>(0) : server_.stranger_log_.now();
            if (more)
                spdlog::warn("{}: {}: {}{}", peer_.name, to_string(late ? ErrorKind::kTimeout : error.kind()),
                             printable(late ? *late : error.what()),
                             *more > 0 ? fmt::format(" ({} more such since the last such line)", *more) : "");
        }
    }

private:
    std::shared_ptr<const protocol::PreparedModel> choose(const protocol::ClientHello& hello) {
        refuse_when_draining();
        model_ = server_.models_.find(hello.model);
        watch_.disarm();  // this wait is not the client's fault
        memory_ = server_.memory_.take(model_->memory.server, kMemoryWait);
        if (!memory_) throw Refusal("memory", "its memory is taken by others", kRetryBusy);
        watch_.arm(2 * server_.settings_.first_timeout, kTooLate);
        spdlog::info("{}: connected for {}", peer_.name, to_string(model_->name, model_->version));
        return {model_, model_->prepared.get()};
    }
    void start() {
        // Counted before the question, so that drain() either sees this one or has turned it away.
        in_inference_ = true;
        ++server_.running_;
        refuse_when_draining();
        watch_.arm(server_.settings_.first_timeout, "the first upload did not come in time");
    }
    void uploaded() {
        const auto most = server_.settings_.inference_timeout;
        watch_.arm(most, fmt::format("an inference took longer than the {} s that it may", most.count()));
    }
    void done(double seconds) {
        watch_.disarm();
        end_of_inference();
        ++server_.inferences_;
        spdlog::info("{}: inference with {} in {:.3f} s", peer_.name, to_string(model_->name, model_->version),
                     seconds);
    }
    void end_of_inference() {
        if (std::exchange(in_inference_, false)) --server_.running_;
    }
    void refuse_when_draining() const {
        if (server_.draining_) throw Refusal("draining", "it is about to end", kRetryDraining);
    }

    Server& server_;
    transport::Channel& channel_;
    const transport::Peer& peer_;
    Watchdog::Watch watch_;
    ServedModelPtr model_;
    std::optional<MemoryBudget::Share> memory_;
    bool in_inference_ = false;
};

Server::Server(ServerSettings settings, transport::Identity identity, const ModelStore& models)
    : settings_(std::move(settings)),
      models_(models),
      memory_(settings_.session_memory) {
    transport::ServerOptions options;
    options.listen = settings_.listen;
    options.identity = std::move(identity);
    options.max_sessions = settings_.max_sessions;
    options.max_sessions_per_address = settings_.max_sessions_per_address;
    options.limits = protocol::hello_limits(settings_.first_timeout);
    tls_ = std::make_unique<transport::TlsServer>(
        std::move(options), [this](std::unique_ptr<transport::Channel> channel, const transport::Peer& peer) {
            Session(*this, *channel, peer).run();
        });
}

Server::~Server() { stop(); }

ServerReport Server::report() const { return {sessions_, running_, inferences_, failures_, refusals_}; }

bool Server::drain(std::chrono::milliseconds time) {
    draining_ = true;
    const auto end = std::chrono::steady_clock::now() + time;
    while (running_ > 0 && std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return running_ == 0;
}

void Server::stop() {
    draining_ = true;
    tls_->stop();
}

}  // namespace flash::service
