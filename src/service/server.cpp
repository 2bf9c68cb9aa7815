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
#include "protocol/steps.h"
#include "service/model_name.h"
#include "service/refusal.h"
#include "service/site.h"
#include "transport/certificate_facts.h"

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
        const transport::Traffic traffic = channel_.traffic();
        server_.metrics_.bytes(traffic.bytes_sent, traffic.bytes_received);
    }

    void run() {
        protocol::ServerSessionOptions options;
        options.first_timeout = server_.settings_.first_timeout;
        options.timeout = server_.settings_.timeout;
        options.idle_timeout = server_.settings_.idle_timeout;
        options.stop = &server_.draining_;
        options.profile = [this](std::uint32_t) { return &profile_.emplace(Party::kServer); };
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
            server_.metrics_.refusal(refusal.reason());
            if (in_inference_) server_.metrics_.inference(name(), "refused", refusal.reason());
            spdlog::info("{}: {}", peer_.name, printable(refusal.what()));
        } catch (const Error& error) {
            const auto late = watch_.bitten();
            if (in_inference_) {
                ++server_.failures_;
                server_.metrics_.inference(name(), "failed", to_string(late ? ErrorKind::kTimeout : error.kind()));
            }
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
        const auto begin = std::chrono::steady_clock::now();
        memory_ = server_.memory_.take(model_->memory.server, kMemoryWait);
        server_.metrics_.waited(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
        if (!memory_) throw Refusal("memory", "its memory is taken by others", kRetryBusy);
        watch_.arm(2 * server_.settings_.first_timeout, kTooLate);
        spdlog::info("{}: connected for {}", peer_.name, name());
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
        server_.metrics_.inference(name(), "ok", "");
        count_phases(seconds);
        spdlog::info("{}: inference with {} in {:.3f} s", peer_.name, name(), seconds);
    }
    void count_phases(double seconds) {
        double by_step[protocol::kSteps] = {}, waiting = 0;
        for (const ProfileEntry& entry : summarise(*profile_)) {
            if (protocol::is_waiting(entry.step))
                waiting += entry.seconds;
            else
                by_step[static_cast<int>(entry.step)] += entry.seconds;
        }
        server_.metrics_.phase(name(), "total", seconds);
        server_.metrics_.phase(name(), "wait", waiting);
        namespace step = protocol::step;
        for (const Step phase : {step::kSetup, step::kLinear, step::kMask, step::kServerVectors, step::kDecrypt})
            server_.metrics_.phase(name(), protocol::name_of(phase), by_step[static_cast<int>(phase)]);
    }
    std::string name() const { return to_string(model_->name, model_->version); }
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
    std::optional<Profile> profile_;  // of the inference that runs
    bool in_inference_ = false;
};

Server::Server(ServerSettings settings, transport::Identity identity, const ModelStore& models)
    : settings_(std::move(settings)),
      models_(models),
      memory_(settings_.session_memory),
      certificate_end_(transport::certificate_facts(identity.certificate_pem).ends) {
    transport::ServerOptions options;
    options.socket = settings_.socket;
    options.identity = std::move(identity);
    options.max_sessions = settings_.max_sessions;
    options.max_sessions_per_address = settings_.max_sessions_per_address;
    options.limits = protocol::hello_limits(settings_.first_timeout);
    options.http = [this](const std::string&) { return std::make_unique<HttpSession>(site(settings_.public_metrics)); };
    tls_ = std::make_unique<transport::TlsServer>(
        std::move(options), [this](std::unique_ptr<transport::Channel> channel, const transport::Peer& peer) {
            Session(*this, *channel, peer).run();
        });
    counted_ = tls_.get();
    if (settings_.http) http_ = std::make_unique<PlainHttp>(*settings_.http, site(true));
}

Server::~Server() { stop(); }

std::optional<transport::Address> Server::http_address() const {
    if (!http_) return std::nullopt;
    return http_->address();
}

HttpSite Server::site(bool with_metrics) const {
    SiteSources sources{models_, [this] { return ready(); }, {}};
    if (with_metrics) sources.metrics = [this] { return metrics_text(); };
    return [sources](const std::string& path) { return answer_site(sources, path); };
}

std::string Server::metrics_text() const {
    using Kind = MetricsText::Kind;
    const auto number = [](auto value) { return static_cast<double>(value); };
    MetricsText text;
    metrics_.write(text);
    text.family("flash_ready", Kind::kGauge, "Whether new inferences are taken.");
    text.value({}, ready() ? 1 : 0);
    text.family("flash_sessions", Kind::kGauge, "Clients that are connected.");
    text.value({}, number(sessions_.load()));
    text.family("flash_inferences_running", Kind::kGauge, "Inferences that run.");
    text.value({}, number(running_.load()));
    text.family("flash_sessions_waiting", Kind::kGauge, "Sessions that wait for memory.");
    text.value({}, number(memory_.waiting()));
    text.family("flash_session_memory_bytes", Kind::kGauge, "Memory for sessions: reserved by them, and in all.");
    text.value({{"state", "reserved"}}, number(memory_.taken()));
    text.value({{"state", "total"}}, number(memory_.total()));
    text.family("flash_model_memory_bytes", Kind::kGauge, "Memory of each model.");
    for (const ServedModelPtr& model : models_.list())
        text.value({{"model", to_string(model->name, model->version)}}, number(model->prepared->memory_bytes()));
    const transport::TlsServer* tls = counted_;  // null for a moment at the start
    const transport::ConnectionCounts counts = tls ? tls->counts() : transport::ConnectionCounts{};
    text.family("flash_connections_total", Kind::kCounter, "What became of connections.");
    text.value({{"result", "accepted"}}, number(counts.accepted));
    text.value({{"result", "dropped"}}, number(counts.dropped));
    text.value({{"result", "starved"}}, number(counts.starved));
    text.value({{"result", "failed_handshake"}}, number(counts.failed_handshakes));
    text.value({{"result", "refused"}}, number(counts.refused));
    text.family("flash_certificate_expiry_timestamp_seconds", Kind::kGauge, "When the server's certificate ends.");
    text.value({}, number(std::chrono::system_clock::to_time_t(certificate_end_)));
    write_process(text);
    return text.take();
}

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
