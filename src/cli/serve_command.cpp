#include <CLI/CLI.hpp>
#include <memory>

#include "app/serve.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "model/architecture.h"

namespace flash::cli {

void add_serve(CLI::App& program) {
    struct Options {
        app::ServeCommand command;
        int timeout = 30, idle_timeout = 300;
        std::size_t transform_mib = lattice::kTransformBudget >> 20;
    };
    auto options = std::make_shared<Options>();
    app::ServeCommand& command = options->command;
    CLI::App* sub = program.add_subcommand("serve", "Serve a compiled model over TLS 1.3 until interrupted");
    sub->add_option("model", command.model, "Compiled model")->required();
    CLI::Option* cache = sub->add_option(
        "--cache", command.cache,
        "Where work done at the first start is kept for the next (default: MODEL.cache). As secret as the model");
    cache->check(not_empty());
    sub->add_flag_callback(
           "--no-cache", [options] { options->command.use_cache = false; }, "Neither read nor write that file")
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
    sub->add_option("--max-sessions", command.max_sessions, "Clients at a time; more are refused with a message")
        ->capture_default_str()
        ->check(count());
    sub->add_option("--timeout", options->timeout, "Seconds to wait for a client in the middle of an inference")
        ->capture_default_str()
        ->check(seconds());
    sub->add_option("--idle-timeout", options->idle_timeout, "Seconds that a client may be idle between inferences")
        ->capture_default_str()
        ->check(seconds());
    sub->add_flag(
        "--guard", command.guard,
        "Keep the encrypted vectors of a layer until all answers to the layers before it have come, against "
        "clients that deviate from the protocol to read the model's inner layers. Takes longer on slow lines");
    sub->add_flag("--rotate", command.rotate,
                  "Begin a new epoch: other public polynomials for the same model and fingerprint, kept in MODEL.epoch "
                  "for later starts");
    sub->add_option("--reveal", command.reveal,
                    "Bits that each value of a result tells, 6 to 16 (default: the model's). To a client it is another "
                    "model, with a fingerprint of its own")
        ->check(whole_number(model::kMinShareBits, model::kMaxShareBits));
    sub->add_option("--threads", command.threads, "Threads to compute with (default: all cores)")->check(threads());
    sub->footer("Example:\n  flash serve resnet.flash --listen 0.0.0.0:7400");
    sub->callback([options] {
        options->command.timeout = std::chrono::seconds(options->timeout);
        options->command.idle_timeout = std::chrono::seconds(options->idle_timeout);
        options->command.transform_bytes = options->transform_mib << 20;
        app::run_serve(options->command);
    });
}

}  // namespace flash::cli
