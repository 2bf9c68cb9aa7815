#include "service/server.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/heap.h"
#include "base/table.h"
#include "protocol/server_session.h"
#include "protocol/steps.h"
#include "service/model_name.h"
#include "service/refusal.h"
#include "transport/certificate_facts.h"

namespace flash::service {

namespace {

/// How long a session waits for memory that others hold: less than a client's patience.
constexpr std::chrono::seconds kMemoryWait{3};
constexpr const char* kTooLate = "the first upload did not come in time";
constexpr std::chrono::seconds kRetryBusy{2}, kRetryDraining{1}, kRetryBudgets{30};

std::vector<protocol::ModelEntry> entries(const ModelStore& models, const Caller& caller) {
    std::vector<protocol::ModelEntry> list;
    for (const ServedModelPtr& model : models.list([&](const std::string& name) { return caller.may_use(name); }))
        list.push_back(
            {model->name, model->version, model->prepared->fingerprint(), model->prepared->architecture().name});
    return list;
}

}  // namespace

/// One connection, on its own thread, with one of several inferences at a time. Until its first upload is there it has
/// one time limit for everything.
class Server::Session {
public:
    Session(Server& server, transport::Channel& channel, const transport::Peer& peer, transport::Place& place)
        : server_(server),
          channel_(channel),
          peer_(peer),
          place_(place),
          watch_(server.watchdog_, channel),
          first_deadline_(Watchdog::Clock::now() + server.settings_.first_timeout) {
        watch_first_upload();
    }
    ~Session() {
        for (Flight& flight : flights_) end_of_inference(flight);
        // While others are being served, what this one has used serves them.
        if (has_place_ && --server_.sessions_ == 0) return_freed_memory();
        const transport::Traffic traffic = channel_.traffic();
        server_.metrics_.bytes(traffic.bytes_sent, traffic.bytes_received);
    }

    void run() {
        protocol::ServerSessionOptions options;
        options.first_timeout = server_.settings_.first_timeout;
        options.timeout = server_.settings_.timeout;
        options.idle_timeout = server_.settings_.idle_timeout;
        options.stop = &server_.draining_;
        options.in_flight = server_.settings_.in_flight;
        options.profile = [this](std::uint32_t number) { return &flight(number).profile.emplace(Party::kServer); };
        options.on_start = [this](std::uint32_t number) { start(flight(number)); };
        options.on_upload = [this](std::uint32_t number) { uploaded(flight(number)); };
        options.on_failure = [this](std::uint32_t number) { failed(flight(number)); };
        options.on_inference = [this](std::uint32_t number, double seconds) { done(flight(number), seconds); };
        try {
            const auto summary = protocol::serve_session(
                [this](const protocol::ClientHello& hello) { return choose(hello); },
                [this](std::span<const char> token) { return entries(server_.models_, admit(token)); }, channel_,
                options);
            if (const auto late = too_late())  // before anything was asked for, which reads like a client that leaves
                log(spdlog::level::warn, server_.failure_log_, "timeout: " + *late);
            else if (model_)
                log(spdlog::level::info, server_.left_log_,
                    fmt::format("left after {} inferences", summary.inferences));
        } catch (const Refusal& refusal) {
            refused(refusal.reason(), refusal);
        } catch (const Denied& denied) {
            refused("denied", denied);
        } catch (const Error& error) {
            const auto late = too_late();
            const ErrorKind kind = late ? ErrorKind::kTimeout : error.kind();
            log(spdlog::level::warn, server_.failure_log_,
                fmt::format("{}: {}", to_string(kind), printable(late ? *late : error.what())));
        }
    }

private:
    /// One of the inferences that run at a time.
    struct Flight {
        Flight(Watchdog& dog, transport::Channel& channel) : watch(dog, channel) {}
        Watchdog::Watch watch;
        std::optional<Profile> profile;
        bool runs = false;
    };

    Flight& flight(std::uint32_t number) { return flights_[number % flights_.size()]; }

    /// Cheap things first: who asks, what is left for it, and only then the model and its memory.
    protocol::Chosen choose(const protocol::ClientHello& hello) {
        refuse_when_draining();
        caller_ = admit(std::span(hello.token.data(), hello.token.size()));
        if (!sit())
            throw Refusal("sessions",
                          fmt::format("{} has {} sessions, as many as it may", caller_->name, caller_->tier.sessions),
                          kRetryBusy);
        refuse_when_spent();
        model_ = server_.models_.find(hello.model, [this](const std::string& name) { return caller_->may_use(name); });
        if (const auto full = place_.take()) throw Refusal("places", *full, kRetryBusy);
        has_place_ = true;
        ++server_.sessions_;
        watch_.disarm();  // this wait is not the client's fault
        const auto begin = Watchdog::Clock::now();
        auto memory = server_.memory_.take(model_->memory.server, kMemoryWait);
        const auto waited = Watchdog::Clock::now() - begin;
        server_.metrics_.waited(std::chrono::duration<double>(waited).count());
        if (!memory) throw Refusal("memory", "its memory is taken by others", kRetryBusy);
        memory_.push_back(std::move(*memory));
        flights_.emplace_back(server_.watchdog_, channel_);
        // Each further inference at a time takes what a session takes, but waits for nothing and pushes nobody aside.
        // One address gets as many further ones as it may have sessions.
        const Tier further{.sessions = server_.settings_.max_sessions_per_address};
        while (flights_.size() < hello.in_flight && sit()) {
            auto seat = server_.budgets_.sit("further ones of " + peer_.group, further);
            if (!seat) break;
            memory = server_.memory_.take_spare(model_->memory.server);
            if (!memory) break;
            further_.push_back(std::move(*seat));
            memory_.push_back(std::move(*memory));
            flights_.emplace_back(server_.watchdog_, channel_);
        }
        if (seats_.size() > flights_.size()) seats_.pop_back();
        first_deadline_ += waited;
        watch_first_upload();
        log(spdlog::level::info, server_.connected_log_,
            flights_.size() == 1 ? fmt::format("connected for {}", name())
                                 : fmt::format("connected for {}, {} inferences at a time", name(), flights_.size()));
        return {{model_, model_->prepared.get()}, static_cast<std::uint32_t>(flights_.size())};
    }
    bool sit() {
        auto seat = server_.budgets_.sit(caller_->key, caller_->tier);
        if (seat) seats_.push_back(std::move(*seat));
        return seat.has_value();
    }
    void start(Flight& flight) {
        const std::lock_guard lock(mutex_);
        // Counted before the question, so that drain() either sees this one or has turned it away.
        flight.runs = true;
        ++server_.running_;
        refuse_when_draining();
        // The access list may have changed, the account may have ended, others may have spent what it had.
        caller_ = server_.access_.admit(credentials_);
        if (!caller_->may_use(model_->name)) throw Denied("this account may no longer use " + model_->name);
        refuse_when_spent();
        watch_first_upload(
            flight.watch, has_shown_work_ ? Watchdog::Clock::now() + server_.settings_.first_timeout : first_deadline_);
    }
    /// An inference is paid for with its first upload, whatever becomes of it: ending it early is no way to ask again.
    void uploaded(Flight& flight) {
        const std::lock_guard lock(mutex_);
        if (!place_.keep()) throw Refusal("places", "its place was needed", kRetryBusy);
        has_shown_work_ = true;
        watch_.disarm();
        if (const auto spent = budget([&] { return server_.budgets_.spend(caller_->key, caller_->tier); }))
            throw Refusal(*spent);
        const auto most = server_.settings_.inference_timeout;
        flight.watch.arm(most, fmt::format("an inference took longer than the {} s that it may", most.count()));
    }
    void done(Flight& flight, double seconds) {
        flight.watch.disarm();
        end_of_inference(flight);
        ++server_.inferences_;
        server_.metrics_.inference(name(), "ok", "");
        count_phases(*flight.profile, seconds);
        spdlog::info("{}: inference with {} in {:.3f} s", who(), name(), seconds);
    }
    /// By the exception that is being handled. Others of the session may still run, and its deadline is not theirs.
    void failed(Flight& flight) {
        flight.watch.disarm();
        end_of_inference(flight);
        try {
            throw;
        } catch (const Refusal& refusal) {
            server_.metrics_.inference(name(), "refused", refusal.reason());
        } catch (const Denied&) {
            server_.metrics_.inference(name(), "refused", "denied");
        } catch (const Error& error) {
            count_failure(too_late() ? ErrorKind::kTimeout : error.kind());
        } catch (...) {
            count_failure(ErrorKind::kInternal);
        }
    }
    void count_failure(ErrorKind kind) {
        ++server_.failures_;
        server_.metrics_.inference(name(), "failed", to_string(kind));
    }
    void count_phases(const Profile& profile, double seconds) {
        double by_step[protocol::kSteps] = {}, waiting = 0;
        for (const ProfileEntry& entry : summarise(profile)) {
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
    std::string who() const {
        const std::lock_guard lock(mutex_);
        return caller_ && !caller_->name.empty() ? fmt::format("{} ({})", peer_.name, caller_->name) : peer_.name;
    }
    Caller admit(std::span<const char> token) {
        credentials_ = Credentials::of(token, peer_.certificate, peer_.certificate_end, peer_.group);
        return server_.access_.admit(credentials_);
    }
    void refuse_when_spent() {
        if (const auto spent = budget([&] { return server_.budgets_.look(caller_->key, caller_->tier); }))
            throw Refusal(*spent);
    }
    /// A file that cannot be read or written must not make queries free.
    template <class Ask>
    std::optional<Spent> budget(Ask ask) {
        try {
            return ask();
        } catch (const Error& error) {
            if (const auto more = server_.budget_log_.now())
                spdlog::error("{} ({} more such since the last such line)", printable(error.what()), *more);
            throw Refusal("budgets", "it cannot count inferences at present", kRetryBudgets);
        }
    }
    void refused(const char* reason, const Error& error) {
        ++server_.refusals_;
        server_.metrics_.refusal(reason);
        log(spdlog::level::info, server_.refusal_log_, printable(error.what()));
    }
    /// Whoever has no account can cause lines at any rate: of each kind one a second is written in the long run.
    void log(spdlog::level::level_enum level, Seldom& seldom, const std::string& line) const {
        const bool known = [this] {
            const std::lock_guard lock(mutex_);
            return caller_ && !caller_->name.empty();
        }();
        const auto more = known ? std::optional<std::uint64_t>(0) : seldom.now();
        if (more)
            spdlog::log(level, "{}: {}{}", who(), line,
                        *more > 0 ? fmt::format(" ({} more such since the last such line)", *more) : "");
    }
    void watch_first_upload() { watch_first_upload(watch_, first_deadline_); }
    static void watch_first_upload(Watchdog::Watch& watch, Watchdog::Clock::time_point deadline) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Watchdog::Clock::now());
        watch.arm(std::max(left, std::chrono::milliseconds(0)), kTooLate);
    }
    /// The sentence of the deadline that has passed, if one has.
    std::optional<std::string> too_late() const {
        if (auto late = watch_.bitten()) return late;
        for (const Flight& flight : flights_)
            if (auto late = flight.watch.bitten()) return late;
        return std::nullopt;
    }
    void end_of_inference(Flight& flight) {
        if (std::exchange(flight.runs, false)) --server_.running_;
    }
    void refuse_when_draining() const {
        if (server_.draining_) throw Refusal("draining", "it is about to end", kRetryDraining);
    }

    Server& server_;
    transport::Channel& channel_;
    const transport::Peer& peer_;
    transport::Place& place_;
    Watchdog::Watch watch_;
    Watchdog::Clock::time_point first_deadline_;  // for the first upload
    bool has_place_ = false;
    Credentials credentials_;
    ServedModelPtr model_;
    mutable std::mutex mutex_;  // of the next two, once inferences run
    bool has_shown_work_ = false;
    std::optional<Caller> caller_;
    // For each inference that may run at a time.
    std::vector<Budgets::Seat> seats_;    // of the account or address
    std::vector<Budgets::Seat> further_;  // of the address, for all but the first
    std::vector<MemoryBudget::Share> memory_;
    std::deque<Flight> flights_;
};

Server::Server(ServerSettings settings, transport::Identity identity, const ModelStore& models,
               const AccessControl& access, Budgets& budgets)
    : settings_(std::move(settings)),
      models_(models),
      access_(access),
      budgets_(budgets),
      memory_(settings_.session_memory),
      certificate_end_(transport::certificate_facts(identity.certificate_pem).ends) {
    transport::ServerOptions options;
    options.socket = settings_.socket;
    options.identity = std::move(identity);
    options.max_sessions = settings_.max_sessions;
    options.max_sessions_per_address = settings_.max_sessions_per_address;
    options.limits = protocol::hello_limits(settings_.first_timeout);
    options.client_ca = settings_.client_ca;
    options.proxies = settings_.proxies;
    options.http = [this](const transport::Peer& peer) {
        return std::make_unique<HttpSession>(site_for(peer),
                                             peer.certificate.empty() ? Upgrade::kAnyPage : Upgrade::kSameSite);
    };
    tls_ = std::make_unique<transport::TlsServer>(
        std::move(options), [this](std::unique_ptr<transport::Channel> channel, const transport::Peer& peer,
                                   transport::Place& place) { Session(*this, *channel, peer, place).run(); });
    counted_ = tls_.get();
    if (settings_.http) http_ = std::make_unique<PlainHttp>(*settings_.http, site(true));
}

Server::~Server() { stop(); }

std::optional<transport::Address> Server::http_address() const {
    if (!http_) return std::nullopt;
    return http_->address();
}

SiteSources Server::sources(bool with_metrics) const {
    SiteSources sources{models_, [this] { return ready(); }, {}, {}, nullptr};
    if (with_metrics) sources.metrics = [this] { return metrics_text(); };
    return sources;
}

HttpSite Server::site(bool with_metrics) const {
    return [all = sources(with_metrics)](const HttpRequest& request) { return answer_site(all, request); };
}

HttpSite Server::site_for(const transport::Peer& peer) const {
    SiteSources some = sources(settings_.public_metrics);
    some.web = settings_.web.get();
    some.admit = [this, peer](std::span<const char> token) {
        return access_.admit(Credentials::of(token, peer.certificate, peer.certificate_end, peer.group));
    };
    return [some](const HttpRequest& request) { return answer_site(some, request); };
}

void Server::replace_identity(transport::Identity identity) {
    const auto end = transport::certificate_facts(identity.certificate_pem).ends;
    tls_->replace_identity(std::move(identity));
    certificate_end_ = end;
}

std::string Server::metrics_text() const {
    using Kind = Lookups::Kind;
    const auto number = [](auto value) { return static_cast<double>(value); };
    Lookups now;
    now.family("flash_ready", Kind::kGauge, "Whether new inferences are taken.");
    now.value({}, ready() ? 1 : 0);
    now.family("flash_sessions", Kind::kGauge, "Clients that are connected.");
    now.value({}, number(sessions_.load()));
    now.family("flash_inferences_running", Kind::kGauge, "Inferences that run.");
    now.value({}, number(running_.load()));
    now.family("flash_sessions_waiting", Kind::kGauge, "Sessions that wait for memory.");
    now.value({}, number(memory_.waiting()));
    now.family("flash_session_memory_bytes", Kind::kGauge, "Memory for sessions: reserved by them, and in all.");
    now.value({{"state", "reserved"}}, number(memory_.taken()));
    now.value({{"state", "total"}}, number(memory_.total()));
    now.family("flash_model_memory_bytes", Kind::kGauge, "Memory of each model.");
    for (const ServedModelPtr& model : models_.list())
        now.value({{"model", to_string(model->name, model->version)}}, number(model->prepared->memory_bytes()));
    const transport::TlsServer* tls = counted_;  // null for a moment at the start
    const transport::ConnectionCounts counts = tls ? tls->counts() : transport::ConnectionCounts{};
    now.family("flash_connections_total", Kind::kCounter, "What became of connections.");
    now.value({{"result", "accepted"}}, number(counts.accepted));
    now.value({{"result", "dropped"}}, number(counts.dropped));
    now.value({{"result", "starved"}}, number(counts.starved));
    now.value({{"result", "failed_handshake"}}, number(counts.failed_handshakes));
    now.value({{"result", "refused"}}, number(counts.refused));
    now.value({{"result", "gave_way"}}, number(counts.gave_way));
    now.family("flash_certificate_expiry_timestamp_seconds", Kind::kGauge, "When the server's certificate ends.");
    now.value({}, number(std::chrono::system_clock::to_time_t(certificate_end_.load())));
    look_up_process(now);
    return service::metrics_text(metrics_, std::move(now));
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
