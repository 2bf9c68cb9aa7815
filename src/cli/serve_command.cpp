#include <CLI/CLI.hpp>
#include <cctype>
#include <map>
#include <memory>
#include <string>

#include "app/serve.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "model/architecture.h"
#include "protocol/messages.h"

namespace flash::cli {

void add_serve(CLI::App& program) {
    struct Options {
        app::ServeCommand command;
        int timeout = 30, idle_timeout = 300, inference_timeout = 600, first_timeout = 30, drain = 30, watch = 0;
        std::size_t per_address = 0;
        std::size_t transform_mib = lattice::kTransformBudget >> 20;
    };
    auto options = std::make_shared<Options>();
    app::ServeCommand& command = options->command;
    CLI::App* sub = program.add_subcommand("serve", "Serve compiled models over TLS 1.3 until interrupted");
    CLI::Option* model = sub->add_option("model", command.model, "Compiled model");
    sub->add_option("--models", command.models,
                    "Folder of compiled models in place of one: NAME.flash, or NAME/VERSION.flash")
        ->excludes(model);
    sub->add_option("--watch", options->watch,
                    "Seconds between looks for changed models; 0: only when SIGHUP asks for one")
        ->capture_default_str()
        ->check(whole_number(0, 86'400));
    CLI::Option* cache = sub->add_option(
        "--cache", command.load.cache,
        "Where work done at the first start is kept for the next (default: MODEL.cache). As secret as the model");
    cache->check(not_empty());
    sub->add_flag_callback(
           "--no-cache", [options] { options->command.load.use_cache = false; }, "Neither read nor write that file")
        ->excludes(cache);
    sub->add_option("--transform-memory", options->transform_mib,
                    "MiB that weights may take in a faster form, about 8 n bytes for each pair of an uploaded and a "
                    "result ciphertext; 0: none")
        ->capture_default_str()
        ->check(whole_number(0, 1 << 20));
    sub->add_option("--listen", command.listen, "HOST:PORT; port 0 takes a free one, :PORT all addresses")
        ->capture_default_str();
    sub->add_option("--cert", command.identity.certificate,
                    "Certificate chain (PEM) (default: self-signed, kept in --cert-dir)");
    sub->add_option("--key", command.identity.key, "Private key (PEM) of --cert");
    sub->add_option("--cert-dir", command.identity.directory,
                    "Where the self-signed server.crt and server.key are kept (default: ~/.local/state/flash)")
        ->check(not_empty());
    sub->add_option(
        "--host", command.identity.hosts,
        "Names and addresses that the self-signed certificate must name; where it does not, a new one is made");
    sub->add_flag("--renew-certificate", command.identity.renew, "Make a new self-signed certificate");
    sub->add_option("--port-file", command.port_file, "Write the bound port here once the server is ready")
        ->check(not_empty());
    sub->add_option("--access", command.access.list,
                    "Access list (JSON): who may ask, by token or client certificate, for which models and how often. "
                    "Without one, everybody may")
        ->check(not_empty());
    sub->add_option("--client-ca", command.settings.client_ca,
                    "Certificates (PEM) whose holders issue client certificates; without --access, each client needs "
                    "one")
        ->check(not_empty());
    sub->add_option("--inferences-per-minute", command.access.strangers.inferences_per_minute,
                    "Most inferences a minute of one address whose clients have no account; 0: any")
        ->capture_default_str()
        ->check(whole_number(0, 1'000'000'000));
    sub->add_option("--inferences-per-day", command.access.strangers.inferences_per_day, "The same a day (UTC)")
        ->capture_default_str()
        ->check(whole_number(0, 1'000'000'000));
    sub->add_option("--budgets", command.budgets,
                    "File (SQLite) in which inferences are counted, so that a restart forgets none; several servers of "
                    "one machine may share it. Or postgresql://..., which servers of several machines share")
        ->check(not_empty());
    sub->add_option("--max-sessions", command.settings.max_sessions,
                    "Clients at a time; more are refused, and told when to come again")
        ->capture_default_str()
        ->check(count());
    sub->add_option("--max-sessions-per-address", options->per_address,
                    "Of these, from one address, or from one /64 of IPv6 (default: half)")
        ->check(count());
    sub->add_option("--in-flight", command.settings.in_flight,
                    "Inferences that one session may have run at a time, where its client asks for it: each takes the "
                    "memory of a session and counts as one of its account's sessions")
        ->capture_default_str()
        ->check(whole_number(1, protocol::kMaxInFlight));
    sub->add_option("--proxy-protocol", command.settings.proxies,
                    "Addresses of proxies that begin each connection with a PROXY protocol header (version 2), such as "
                    "HAProxy with send-proxy-v2: limits by address are then of the address that it tells")
        ->check(not_empty());
    sub->add_option("--session-memory", command.session_memory_mib,
                    "MiB that all sessions together may hold (default: three quarters of what the models leave free)")
        ->check(whole_number(1, 1 << 24));
    sub->add_option("--first-timeout", options->first_timeout,
                    "Seconds that a client has from its connection to the first upload that it computes")
        ->capture_default_str()
        ->check(seconds());
    sub->add_option("--timeout", options->timeout, "Seconds to wait for a client in the middle of an inference")
        ->capture_default_str()
        ->check(seconds());
    sub->add_option("--idle-timeout", options->idle_timeout, "Seconds that a client may be idle between inferences")
        ->capture_default_str()
        ->check(seconds());
    sub->add_option("--inference-timeout", options->inference_timeout, "Seconds that a whole inference may take")
        ->capture_default_str()
        ->check(seconds());
    sub->add_option("--drain", options->drain, "Seconds that running inferences have once SIGTERM or SIGINT came")
        ->capture_default_str()
        ->check(whole_number(0, 86'400));
    sub->add_option("--web", command.web, "Folder of a web page to offer at --listen (scripts/build-web makes one)")
        ->check(CLI::ExistingDirectory);
    sub->add_option("--http", command.http,
                    "HOST:PORT for health, models and metrics over HTTP without TLS: for the operator only")
        ->check(not_empty());
    sub->add_option("--http-port-file", command.http_port_file, "Write its bound port here once the server is ready")
        ->check(not_empty());
    sub->add_flag("--public-metrics", command.settings.public_metrics,
                  "Answer /metrics to whoever connects to --listen, too");
    sub->add_option("--log-format", command.log_format, "text or json")
        ->transform(CLI::CheckedTransformer(std::map<std::string, service::LogFormat>{
            {"text", service::LogFormat::kText}, {"json", service::LogFormat::kJson}}));
    sub->add_option("--log-level", command.log_level, "debug, info, warning or error")
        ->capture_default_str()
        ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
    sub->add_flag("--check", command.check,
                  "Check the options and load the models, and do not serve: binds no address and writes nothing");
    sub->add_flag(
        "--guard", command.load.guard,
        "Keep the encrypted vectors of a layer until all answers to the layers before it have come, against "
        "clients that deviate from the protocol to read the model's inner layers. Takes longer on slow lines");
    sub->add_flag("--rotate", command.load.rotate,
                  "Begin a new epoch: other public polynomials for the same model and fingerprint, kept in MODEL.epoch "
                  "for later starts");
    sub->add_option("--reveal", command.load.reveal,
                    "Bits that each value of a result tells, 6 to 16 (default: the model's). To a client it is another "
                    "model, with a fingerprint of its own")
        ->check(whole_number(model::kMinShareBits, model::kMaxShareBits));
    sub->add_option("--threads", command.threads, "Threads to compute with (default: all cores)")->check(threads());
    sub->footer(
        "Examples:\n  flash serve resnet.flash --listen 0.0.0.0:7400\n  flash serve --models /srv/flash --watch 10");
    sub->fallthrough();  // --config, also behind the command
    for (CLI::Option* option : sub->get_options()) {
        if (option->get_lnames().empty()) continue;
        std::string name = "FLASH_SERVE_" + option->get_lnames().front();
        for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        option->envname(name);
    }
    sub->callback([options] {
        app::ServeCommand& ready = options->command;
        service::ServerSettings& settings = ready.settings;
        settings.timeout = std::chrono::seconds(options->timeout);
        settings.idle_timeout = std::chrono::seconds(options->idle_timeout);
        settings.inference_timeout = std::chrono::seconds(options->inference_timeout);
        settings.first_timeout = std::chrono::seconds(options->first_timeout);
        settings.max_sessions_per_address =
            options->per_address > 0 ? options->per_address : (settings.max_sessions + 1) / 2;
        ready.watch = std::chrono::seconds(options->watch);
        ready.drain = std::chrono::seconds(options->drain);
        ready.load.transform_bytes = options->transform_mib << 20;
        app::run_serve(ready);
    });
}

}  // namespace flash::cli
