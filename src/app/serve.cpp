#include "app/serve.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <utility>

#include "app/key_report.h"
#include "app/memory.h"
#include "app/server_identity.h"
#include "app/threads.h"
#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/table.h"
#include "model/coarse_result.h"
#include "model/reader.h"
#include "protocol/server_session.h"
#include "protocol/session_memory.h"
#include "transport/tls.h"

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
    int wait() {
        int signal = 0;
        sigwait(&set_, &signal);
        return signal;
    }

private:
    sigset_t set_;
};

/// Waits until the server is to stop; answers SIGUSR1 and SIGUSR2 by a line in the log. Why it is to stop.
const char* wait_for_end(Signals& signals, const std::function<void()>& report) {
    while (true) {
        switch (signals.wait()) {
            case SIGINT: return "interrupted";
            case SIGTERM: return "terminated";
            case SIGHUP: return "its terminal was closed";
            default: report();
        }
    }
}

/// Where the `a` halves are kept, if at all.
std::optional<std::filesystem::path> cache_of(const ServeCommand& command) {
    if (!command.use_cache) return std::nullopt;
    if (!command.cache.empty()) return command.cache;
    // Of another architecture: not to overwrite the model's own.
    const std::string coarse = command.reveal ? fmt::format(".reveal-{}", *command.reveal) : "";
    return command.model.string() + coarse + ".cache";
}

void report(const protocol::CacheOutcome& outcome, const std::filesystem::path& cache) {
    const std::string name = printable(cache.string());
    if (!outcome.not_used.empty()) spdlog::warn("cache {} ignored: {}", name, printable(outcome.not_used));
    if (!outcome.not_written.empty()) spdlog::warn("no cache for the next start: {}", printable(outcome.not_written));
    if (outcome.written) spdlog::info("wrote the cache {}: as secret as the model, readable by its owner only", name);
}

}  // namespace

void run_serve(const ServeCommand& command) {
    Signals signals;  // first: threads inherit the blocked mask
    const auto limit = limit_threads(command.threads);
    // What can be wrong with the command is said before the model is loaded, which may take long.
    const transport::Address listen = transport::parse_address(command.listen);
    const auto socket = std::make_shared<transport::BoundSocket>(listen);
    if (command.port_file) require_writable(*command.port_file);
    transport::Identity identity = server_identity(command.identity, listen);

    const std::optional<std::filesystem::path> cache = cache_of(command);
    const auto begin = std::chrono::steady_clock::now();
    Progress progress("loading the model", 100);
    const protocol::PreparedModel model = [&] {
        model::Reader reader(command.model);
        std::optional<model::CoarseResult> coarse;
        if (command.reveal) coarse.emplace(reader, *command.reveal);
        model::LayerSource& source = coarse ? static_cast<model::LayerSource&>(*coarse) : reader;
        return protocol::PreparedModel(
            source, [&](double fraction) { progress.set(static_cast<std::uint64_t>(100 * fraction)); }, cache,
            command.transform_bytes, protocol::make_activation(source.architecture(), command.guard));
    }();
    progress.finish();
    return_freed_memory();
    const std::chrono::duration<double> loading = std::chrono::steady_clock::now() - begin;
    if (cache) report(model.cache(), *cache);
    spdlog::info("model {}: {} layers, loaded in {:.3f} s {} the cache, {} in memory ({} transforms), fingerprint {}",
                 printable(model.architecture().name), model.architecture().layers.size(), loading.count(),
                 model.cache().used ? "with" : "without", human_bytes(static_cast<double>(model.memory_bytes())),
                 human_bytes(static_cast<double>(model.transform_bytes())), to_hex(model.fingerprint()));

    if (model.architecture().trust_server)
        spdlog::warn("clients have to accept this model by --trust-server: it is {}", kTrusting);
    if (command.guard)
        spdlog::info("vectors of a layer leave after the answers of all layers before it: {} a query, in place of {}",
                     human_bytes(static_cast<double>(model.cost().up() + model.cost().down())), [&] {
                         const protocol::InferenceCost cost = protocol::cost_of(model.architecture(), model.plan());
                         return human_bytes(static_cast<double>(cost.up() + cost.down()));
                     }());
    if (command.reveal) spdlog::info("results tell {} bits", *command.reveal);

    const protocol::SessionMemory memory = protocol::session_memory(model.architecture(), model.plan(), model.cost());
    spdlog::info("a session holds up to {} beside that, {} sessions at a time",
                 human_bytes(static_cast<double>(memory.server)), command.max_sessions);

    std::atomic<bool> stop{false};
    std::atomic<std::size_t> sessions{0}, inferences{0};
    transport::ServerOptions options;
    options.socket = socket;
    options.identity = std::move(identity);
    options.max_sessions = command.max_sessions;
    options.limits.max_queued = protocol::server_queue_bytes(model.cost());
    options.limits.timeout = command.timeout;
    transport::TlsServer server(
        std::move(options), [&](std::unique_ptr<transport::Channel> channel, const std::string& peer) {
            protocol::ServerSessionOptions session;
            session.timeout = command.timeout;
            session.idle_timeout = command.idle_timeout;
            session.stop = &stop;
            session.on_inference = [&](double seconds) {
                ++inferences;
                spdlog::info("{}: inference in {:.3f} s", peer, seconds);
            };
            ++sessions;
            spdlog::info("{}: connected", peer);
            try {
                const auto summary = protocol::serve_session(model, *channel, session);
                spdlog::info("{}: left after {} inferences", peer, summary.inferences);
            } catch (const Error& error) {
                spdlog::warn("{}: {}: {}", peer, to_string(error.kind()), printable(error.what()));
            }
            // While others are being served, what this one has used serves them.
            if (--sessions == 0) return_freed_memory();
        });
    spdlog::info("serving on {}, certificate {}", transport::to_string(server.address()), server.fingerprint());
    if (command.port_file)
        write_file(*command.port_file, fmt::format("{}\n", server.address().port), Access::kEveryone);

    const char* why = wait_for_end(signals, [&] {
        spdlog::info("serving {} clients; {} inferences since the start", sessions.load(), inferences.load());
    });
    spdlog::info("stopping ({})", why);
    stop = true;
    server.stop();
}

}  // namespace flash::app
