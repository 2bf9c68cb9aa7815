#include "app/serve.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <functional>
#include <memory>
#include <utility>

#include "app/key_report.h"
#include "app/server_identity.h"
#include "app/threads.h"
#include "base/error.h"
#include "base/file.h"
#include "base/heap.h"
#include "base/progress.h"
#include "base/table.h"
#include "protocol/cost.h"
#include "service/model_name.h"

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
    /// 0 if none came within the time; without a time, waits for one.
    int wait(std::chrono::seconds time) {
        int signal = 0;
        if (time.count() == 0) {
            sigwait(&set_, &signal);
            return signal;
        }
        const timespec limit{time.count(), 0};
        while ((signal = sigtimedwait(&set_, nullptr, &limit)) < 0 && errno == EINTR) {}
        return std::max(signal, 0);
    }

private:
    sigset_t set_;
};

/// What is looked at again while a server runs.
struct Reloaded {
    service::ModelStore& models;
    service::AccessControl& access;
    IdentityWatch& identity;

    bool has_changed() const { return models.has_changed() || access.has_changed() || identity.has_changed(); }
    void reload(service::Server& server) {
        access.reload();
        if (identity.has_changed()) renew_identity(server);
        if (!models.reload()) spdlog::info("no model has changed");
        return_freed_memory();
    }

private:
    void renew_identity(service::Server& server) {
        try {
            server.replace_identity(identity.load());
            spdlog::info("certificate {} for new connections", server.fingerprint());
        } catch (const Error& error) {
            spdlog::error("{}; the certificate that was there before stays", printable(error.what()));
        }
    }
};

/// Waits until the server is to stop, and does what signals and time ask for until then. Why it is to stop.
const char* wait_for_end(Signals& signals, const ServeCommand& command, Reloaded& reloaded, service::Server& server) {
    while (true) {
        switch (signals.wait(command.watch)) {
            case SIGINT: return "interrupted";
            case SIGTERM: return "terminated";
            case SIGHUP: reloaded.reload(server); break;
            case 0:
                if (reloaded.has_changed()) reloaded.reload(server);
                break;
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

}  // namespace

void run_serve(const ServeCommand& command) {
    Signals signals;  // first: threads inherit the blocked mask
    const auto limit = limit_threads(command.threads);
    service::set_log_format(command.log_format);
    spdlog::set_level(spdlog::level::from_str(command.log_level));
    // What can be wrong with the command is said before the models are loaded, which may take long.
    if (command.model.empty() == command.models.empty())
        throw Error(ErrorKind::kInvalidArgument, "give one compiled model, or a folder of them with --models");
    service::ServerSettings settings = command.settings;
    const transport::Address listen = transport::parse_address(command.listen);
    settings.socket = std::make_shared<transport::BoundSocket>(listen);
    settings.session_memory =
        command.session_memory_mib > 0 ? std::uint64_t{command.session_memory_mib} << 20 : available_memory() / 4 * 3;
    if (!command.http.empty())
        settings.http = std::make_shared<transport::BoundSocket>(transport::parse_address(command.http));
    if (command.port_file) require_writable(*command.port_file);
    if (command.http_port_file) require_writable(*command.http_port_file);
    transport::Identity identity = server_identity(command.identity, listen);
    IdentityWatch identity_watch(command.identity, command.settings.client_ca);
    if (settings.client_ca) transport::require_certificates(*settings.client_ca);
    service::AccessSettings access_settings = command.access;
    access_settings.certificates = settings.client_ca.has_value();
    service::AccessControl access(std::move(access_settings));
    service::Budgets budgets(command.budgets);

    service::LoadOptions load = command.load;
    load.session_bytes = settings.session_memory;
    std::unique_ptr<Progress> progress;  // at the start only: later loads happen beside other work
    load.progress = [&](const std::filesystem::path&, double fraction) {
        if (progress) progress->set(static_cast<std::uint64_t>(100 * fraction));
    };
    service::ModelStore models(command.model.empty() ? command.models : command.model, std::move(load));
    progress = std::make_unique<Progress>("loading", 100);
    models.load_first();
    progress->finish();
    progress.reset();
    return_freed_memory();
    for (const service::ServedModelPtr& model : models.list()) describe(*model, command.load);
    spdlog::info("{} for sessions, {} at a time, {} of them from one address",
                 human_bytes(static_cast<double>(settings.session_memory)), settings.max_sessions,
                 settings.max_sessions_per_address);

    if (command.check) {
        spdlog::info("all is well: {} models, nothing was served", models.list().size());
        return;
    }

    service::Server server(std::move(settings), std::move(identity), models, access, budgets);
    spdlog::info("serving on {}, certificate {}", transport::to_string(server.address()), server.fingerprint());
    if (command.port_file)
        write_file(*command.port_file, fmt::format("{}\n", server.address().port), Access::kEveryone);

    if (const auto http = server.http_address()) {
        spdlog::info("HTTP without TLS on {}", transport::to_string(*http));
        if (command.http_port_file)
            write_file(*command.http_port_file, fmt::format("{}\n", http->port), Access::kEveryone);
    }

    Reloaded reloaded{models, access, identity_watch};
    const char* why = wait_for_end(signals, command, reloaded, server);
    spdlog::info("stopping ({})", why);
    if (!server.drain(command.drain))
        spdlog::warn("{} inferences did not end within {} s", server.report().running, command.drain.count());
    server.stop();
}

}  // namespace flash::app
