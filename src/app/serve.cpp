#include "app/serve.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "app/memory.h"
#include "app/threads.h"
#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/table.h"
#include "model/reader.h"
#include "protocol/server_session.h"
#include "protocol/session_memory.h"
#include "transport/tls.h"

namespace flash::app {

namespace {

/// SIGINT and SIGTERM, blocked in every thread and waited for by one.
class StopSignals {
public:
    StopSignals() {
        sigemptyset(&set_);
        sigaddset(&set_, SIGINT);
        sigaddset(&set_, SIGTERM);
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

transport::Identity identity_for(const ServeCommand& command, const transport::Address& listen) {
    if (command.certificate.has_value() != command.key.has_value())
        throw Error(ErrorKind::kInvalidArgument, "--cert and --key belong together: give both or neither");
    if (command.certificate) return transport::load_identity(*command.certificate, *command.key);

    const std::filesystem::path directory = command.cert_dir.empty() ? default_state_directory() : command.cert_dir;
    const std::filesystem::path certificate = directory / "server.crt", key = directory / "server.key";
    std::error_code error;
    if (std::filesystem::exists(certificate, error) && std::filesystem::exists(key, error))
        return transport::load_identity(certificate, key);
    std::filesystem::create_directories(directory, error);
    if (error) throw Error(ErrorKind::kFile, "cannot create " + directory.string() + ": " + error.message());
    std::vector<std::string> hosts = command.hosts;
    if (hosts.empty()) {
        hosts = {"localhost", "127.0.0.1", "::1"};
        if (!listen.host.empty() && listen.host != "0.0.0.0" && listen.host != "::" &&
            std::find(hosts.begin(), hosts.end(), listen.host) == hosts.end())
            hosts.push_back(listen.host);
    }
    transport::Identity identity = transport::make_self_signed(hosts);
    transport::save_identity(identity, certificate, key);
    spdlog::info("made a self-signed certificate: {}", certificate.string());
    return identity;
}

/// Where the `a` halves are kept, if at all.
std::optional<std::filesystem::path> cache_of(const ServeCommand& command) {
    if (!command.use_cache) return std::nullopt;
    if (!command.cache.empty()) return command.cache;
    return command.model.string() + ".cache";
}

void report(const protocol::CacheOutcome& outcome, const std::filesystem::path& cache) {
    const std::string name = printable(cache.string());
    if (!outcome.not_used.empty()) spdlog::warn("cache {} ignored: {}", name, printable(outcome.not_used));
    if (!outcome.not_written.empty()) spdlog::warn("no cache for the next start: {}", printable(outcome.not_written));
    if (outcome.written) spdlog::info("wrote the cache {}: as secret as the model, readable by its owner only", name);
}

}  // namespace

std::filesystem::path default_state_directory() {
    if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state)
        return std::filesystem::path(state) / "flash";
    if (const char* home = std::getenv("HOME"); home && *home)
        return std::filesystem::path(home) / ".local/state/flash";
    throw Error(ErrorKind::kInvalidArgument,
                "no home directory for the server's certificate; give --cert-dir or --cert and --key");
}

void run_serve(const ServeCommand& command) {
    StopSignals signals;  // first: threads inherit the blocked mask
    const auto limit = limit_threads(command.threads);
    const transport::Address listen = transport::parse_address(command.listen);

    const std::optional<std::filesystem::path> cache = cache_of(command);
    const auto begin = std::chrono::steady_clock::now();
    Progress progress("loading the model", 100);
    const protocol::PreparedModel model = [&] {
        model::Reader reader(command.model);
        return protocol::PreparedModel(
            reader, [&](double fraction) { progress.set(static_cast<std::uint64_t>(100 * fraction)); }, cache,
            command.transform_bytes);
    }();
    progress.finish();
    return_freed_memory();
    const std::chrono::duration<double> loading = std::chrono::steady_clock::now() - begin;
    if (cache) report(model.cache(), *cache);
    spdlog::info("model {}: {} layers, loaded in {:.3f} s {} the cache, {} in memory ({} transforms), fingerprint {}",
                 printable(model.architecture().name), model.architecture().layers.size(), loading.count(),
                 model.cache().used ? "with" : "without", human_bytes(static_cast<double>(model.memory_bytes())),
                 human_bytes(static_cast<double>(model.transform_bytes())), to_hex(model.fingerprint()));

    const protocol::SessionMemory memory = protocol::session_memory(model.architecture(), model.plan(), model.cost());
    spdlog::info("a session holds up to {} beside that, {} sessions at a time",
                 human_bytes(static_cast<double>(memory.server)), command.max_sessions);

    std::atomic<bool> stop{false};
    std::atomic<std::size_t> sessions{0};
    transport::ServerOptions options;
    options.listen = listen;
    options.identity = identity_for(command, listen);
    options.max_sessions = command.max_sessions;
    options.limits.max_queued = protocol::server_queue_bytes(model.cost());
    options.limits.timeout = command.timeout;
    transport::TlsServer server(
        std::move(options), [&](std::unique_ptr<transport::Channel> channel, const std::string& peer) {
            protocol::ServerSessionOptions session;
            session.timeout = command.timeout;
            session.idle_timeout = command.idle_timeout;
            session.stop = &stop;
            session.on_inference = [&](double seconds) { spdlog::info("{}: inference in {:.3f} s", peer, seconds); };
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

    const int signal = signals.wait();
    spdlog::info("stopping ({})", signal == SIGINT ? "interrupted" : "terminated");
    stop = true;
    server.stop();
}

}  // namespace flash::app
