#include "app/serve.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <ctime>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "app/key_report.h"
#include "app/server_identity.h"
#include "app/threads.h"
#include "base/error.h"
#include "base/file.h"
#include "base/heap.h"
#include "base/other_file.h"
#include "base/progress.h"
#include "base/table.h"
#include "protocol/cost.h"
#include "service/model_name.h"
#include "transport/proxy_protocol.h"

namespace flash::app {

namespace {

/// The signals that a server answers, blocked in every thread and waited for by one.
class Signals {
public:
    Signals() {
        sigemptyset(&set_);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2}) {
            struct sigaction action {};
            // Ignored by whoever started the server, as nohup does with SIGHUP: it stays so.
            if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
            sigaddset(&set_, signal);
        }
        pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    }
    int wait() const {
        int signal = 0;
        sigwait(&set_, &signal);
        return signal;
    }
    /// The signal that is to end the server, if one comes within the time; otherwise 0.
    int wait_for_end(std::chrono::milliseconds time) const {
        sigset_t ends;
        sigemptyset(&ends);
        for (const int signal : {SIGINT, SIGTERM})
            if (sigismember(&set_, signal) == 1) sigaddset(&ends, signal);
        const timespec limit{time.count() / 1000, time.count() % 1000 * 1'000'000};
        return std::max(sigtimedwait(&ends, nullptr, &limit), 0);
    }

private:
    sigset_t set_;
};

const char* name_of(int signal) { return signal == SIGINT ? "interrupted" : "terminated"; }

/// While it lives, a signal that is to end the server ends the process at once, as if nobody had blocked it.
class Impatience {
public:
    explicit Impatience(const Signals& signals)
        : thread_([&signals](const std::stop_token& stop) {
              int signal = 0;
              while (signal == 0 && !stop.stop_requested()) signal = signals.wait_for_end(kLook);
              if (signal == 0) return;
              spdlog::warn("ended at once ({})", name_of(signal));
              spdlog::default_logger()->flush();
              sigset_t own;
              sigemptyset(&own);
              sigaddset(&own, signal);
              pthread_sigmask(SIG_UNBLOCK, &own, nullptr);
              ::raise(signal);
          }) {}

private:
    static constexpr std::chrono::milliseconds kLook{50};
    std::jthread thread_;
};

/// What is looked at again while a server runs.
struct Reloaded {
    service::ModelStore& models;
    service::AccessControl& access;
    IdentityWatch& identity;

    bool has_changed() const { return models.has_changed() || access.has_changed() || identity.has_changed(); }
    void reload(service::Server& server) {
        access.reload();
        if (identity.differs()) renew_identity(server);  // also what failed before: why may have passed
        if (!models.reload()) spdlog::info("no model has changed");
        return_freed_memory();
    }

private:
    void renew_identity(service::Server& server) {
        try {
            server.replace_identity(identity.load());
            identity.accept();
            spdlog::info("certificate {} for new connections", server.fingerprint());
        } catch (const Error& error) {
            spdlog::error("{}; the certificate that was there before stays", printable(error.what()));
        }
    }
};

/// Looks for changes when it is asked to, and from time to time, in a thread of its own: loading may take long, and the
/// server answers signals meanwhile.
class Reloading {
public:
    /// every: 0: only when asked.
    Reloading(Reloaded reloaded, service::Server& server, std::chrono::seconds every)
        : reloaded_(reloaded),
          server_(server),
          every_(every),
          thread_([this] { run(); }) {}
    ~Reloading() {
        {
            const std::lock_guard lock(mutex_);
            ending_ = true;
            changed_.notify_all();
        }
        thread_.join();
    }
    void ask() {
        const std::lock_guard lock(mutex_);
        asked_ = true;
        changed_.notify_all();
    }

private:
    void run() {
        std::unique_lock lock(mutex_);
        while (true) {
            const auto wanted = [&] { return asked_ || ending_; };
            if (every_.count() == 0)
                changed_.wait(lock, wanted);
            else
                changed_.wait_for(lock, every_, wanted);
            if (ending_) return;
            const bool asked = std::exchange(asked_, false);
            lock.unlock();
            look(asked);
            lock.lock();
        }
    }
    void look(bool asked) {
        try {
            if (asked || reloaded_.has_changed()) reloaded_.reload(server_);
        } catch (const service::LoadCancelled&) {
            spdlog::info("a model that was being loaded is given up");
        } catch (const std::exception& problem) {
            spdlog::error("looking for changes: {}", printable(problem.what()));
        }
    }

    Reloaded reloaded_;
    service::Server& server_;
    const std::chrono::seconds every_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool asked_ = false, ending_ = false;
    std::thread thread_;
};

/// Waits until the server is to stop, and does what signals ask for until then. Which of them ends it.
int wait_for_end(const Signals& signals, Reloading& reloading, const service::Server& server) {
    while (true) {
        switch (const int signal = signals.wait()) {
            case SIGINT:
            case SIGTERM: return signal;
            case SIGHUP: reloading.ask(); break;
            default: {
                const service::ServerReport report = server.report();
                spdlog::info(
                    "serving {} clients; {} inferences since the start, {} running; {} failed, {} clients were "
                    "refused",
                    report.sessions, report.inferences, report.running, report.failures, report.refusals);
            }
        }
    }
}

/// What is special about a model, for whoever reads the log.
void describe(const service::ServedModel& served, const service::LoadOptions& load) {
    const protocol::PreparedModel& model = *served.prepared;
    const std::string name = service::to_string(served.name, served.version);
    if (model.architecture().trust_server)
        spdlog::warn("{}: clients have to accept this model by --trust-server: it is {}", name, kTrusting);
    if (load.guard) {
        const protocol::InferenceCost plain = protocol::cost_of(model.architecture(), model.plan());
        spdlog::info(
            "{}: vectors of a layer leave after the answers of all layers before it: {} a query, in place of {}", name,
            human_bytes(static_cast<double>(model.cost().up() + model.cost().down())),
            human_bytes(static_cast<double>(plain.up() + plain.down())));
    }
    if (model.epoch() != protocol::Epoch{})
        spdlog::info("{}: {} epoch {} of its public polynomials", name, load.rotate ? "begins" : "goes on with",
                     to_hex(model.epoch()).substr(0, 16));
    if (load.reveal) spdlog::info("{}: results tell {} bits", name, *load.reveal);
}

/// Loads the models and finds out how much memory is left for sessions.
std::uint64_t load_models(service::ModelStore& models, const ServeCommand& command,
                          std::unique_ptr<Progress>& progress) {
    progress = std::make_unique<Progress>("loading", 100);
    models.load_first();
    progress->finish();
    progress.reset();
    return_freed_memory();
    std::uint64_t session_memory = std::uint64_t{command.session_memory_mib} << 20;
    if (session_memory == 0) {
        session_memory = available_memory() / 4 * 3;
        models.limit_sessions(session_memory);
    }
    for (const service::ServedModelPtr& model : models.list()) describe(*model, command.load);
    spdlog::info("{} for sessions, {} at a time, {} of them from one address",
                 human_bytes(static_cast<double>(session_memory)), command.settings.max_sessions,
                 command.settings.max_sessions_per_address);
    return session_memory;
}

}  // namespace

void run_serve(const ServeCommand& command) {
    const Signals signals;  // first: threads inherit the blocked mask
    std::optional<Impatience> impatience(signals);
    const auto limit = limit_threads(command.threads);
    service::set_log_format(command.log_format);
    spdlog::set_level(spdlog::level::from_str(command.log_level));
    // What can be wrong with the command is said before the models are loaded, which may take long.
    if (command.model.empty() == command.models.empty())
        throw Error(ErrorKind::kInvalidArgument, "give one compiled model, or a folder of them with --models");
    if (!command.models.empty() && !command.load.cache.empty())
        throw Error(ErrorKind::kInvalidArgument, "--cache is for one model; those of a folder have theirs beside them");
    service::ServerSettings settings = command.settings;
    const transport::Address listen = transport::parse_address(command.listen);
    const auto http_listen =
        command.http.empty() ? std::nullopt : std::optional(transport::parse_address(command.http));
    if (!command.check) {
        settings.socket = std::make_shared<transport::BoundSocket>(listen);
        if (http_listen) settings.http = std::make_shared<transport::BoundSocket>(*http_listen);
    }
    for (const auto& file : {command.port_file, command.http_port_file})
        if (file) {
            require_writable(*file);
            require_other_file(*file, command.model);
        }
    transport::proxy_addresses(settings.proxies);
    if (settings.client_ca) transport::require_certificates(*settings.client_ca);
    if (!command.web.empty()) settings.web = std::make_shared<const service::WebFiles>(command.web);
    service::AccessSettings access_settings = command.access;
    access_settings.certificates = settings.client_ca.has_value();
    service::AccessControl access(std::move(access_settings));

    std::atomic<bool> ending{false};
    service::LoadOptions load = command.load;
    load.session_bytes = std::uint64_t{command.session_memory_mib} << 20;
    if (command.check) load.use_cache = load.rotate = false;
    std::unique_ptr<Progress> progress;  // at the start only: later loads happen beside other work
    load.progress = [&](const std::filesystem::path&, double fraction) {
        if (ending) throw service::LoadCancelled();
        if (progress) progress->set(static_cast<std::uint64_t>(100 * fraction));
    };
    service::ModelStore models(command.model.empty() ? command.models : command.model, std::move(load));

    if (command.check) {
        check_identity(command.identity, listen);
        service::check_budget_store(command.budgets);
        load_models(models, command, progress);
        spdlog::info("all is well: {} models, nothing was served", models.list().size());
        return;
    }

    transport::Identity identity = server_identity(command.identity, listen);
    IdentityWatch identity_watch(command.identity, command.settings.client_ca);
    service::Budgets budgets(command.budgets);
    settings.session_memory = load_models(models, command, progress);
    impatience.reset();  // from now on there may be inferences to wait for
    service::Server server(std::move(settings), std::move(identity), models, access, budgets);
    spdlog::info("serving on {}, certificate {}", transport::to_string(server.address()), server.fingerprint());
    if (command.port_file)
        write_file(*command.port_file, fmt::format("{}\n", server.address().port), Access::kEveryone);

    if (const auto http = server.http_address()) {
        spdlog::info("HTTP without TLS on {}", transport::to_string(*http));
        if (command.http_port_file)
            write_file(*command.http_port_file, fmt::format("{}\n", http->port), Access::kEveryone);
    }

    {
        Reloading reloading({models, access, identity_watch}, server, command.watch);
        const int signal = wait_for_end(signals, reloading, server);
        impatience.emplace(signals);
        spdlog::info("stopping ({})", name_of(signal));
        ending = true;
        if (!server.drain(command.drain))
            spdlog::warn("{} inferences did not end within {} s", server.report().running, command.drain.count());
    }
    server.stop();
}

}  // namespace flash::app
