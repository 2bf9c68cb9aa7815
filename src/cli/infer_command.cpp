#include <CLI/CLI.hpp>
#include <memory>

#include "app/eval.h"
#include "app/infer.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/connect_options.h"
#include "data/dataset.h"
#include "protocol/messages.h"

namespace flash::cli {

void add_infer(CLI::App& program) {
    struct Options {
        app::InferCommand command;
        int timeout = 30;
    };
    auto options = std::make_shared<Options>();
    app::InferCommand& command = options->command;
    CLI::App* sub = program.add_subcommand("infer", "Private inference on pictures with a server");
    sub->add_option(
           "inputs", command.inputs,
           "PNG or JPEG pictures; .npy arrays of normalised values (one input or many; channels first or last, or "
           "[N, F]); folders of these; - for standard input")
        ->required();
    add_connect_options(*sub, command);
    sub->add_option(
        "--model", command.model,
        "Which of the server's models, NAME or NAME/VERSION, as `flash models` lists them; or the fingerprint "
        "to insist on, as `flash plan` prints it");
    sub->add_flag("--trust-server", command.trust_server,
                  "Accept a model that is private from a server that follows the protocol only (semi-honest, and "
                  "assuming circular security)");
    sub->add_flag("--require-large-ring", command.large_ring,
                  "Refuse models with uploads in the small ring, which is easier to break for whoever has worked on a "
                  "model's public polynomials for long");
    sub->add_option("--top", command.top, "Classes to show for each input")->capture_default_str()->check(count());
    sub->add_option("--timeout", options->timeout, "Seconds to wait for the server at each step")
        ->capture_default_str()
        ->check(seconds());
    sub->add_option("--parallel", command.parallel,
                    "Inferences at a time, each on a connection of its own: over a distant link, where one waits most "
                    "of the time, many inputs are answered that much sooner")
        ->capture_default_str()
        ->check(whole_number(1, 64));
    sub->add_option("--in-flight", command.in_flight,
                    "Inferences at a time on each connection, as far as the server takes them: without further "
                    "connections to make, and with the memory of one session each")
        ->capture_default_str()
        ->check(whole_number(1, protocol::kMaxInFlight));
    sub->add_option("--retry", command.retries,
                    "Further attempts where the network or the server fails, each on a fresh connection, after a pause")
        ->capture_default_str()
        ->check(whole_number(0, 1000));
    sub->add_option("--results", command.results,
                    "Append each answer as a line of JSON to this file, and skip the inputs that it has already")
        ->check(not_empty());
    sub->add_option("--threads", command.threads, "Threads to compute with (default: all cores)")->check(threads());
    sub->add_flag("--json", command.json, "Print one JSON document with all logits instead of tables");
    sub->add_flag("--json-lines", command.json_lines, "Print each answer as a line of JSON as soon as it is there");
    sub->add_flag("--profile", command.profile, "Add time, waiting and bytes by layer and step of this side");
    sub->add_option("--trace", command.trace,
                    "File for the same as trace events, for ui.perfetto.dev or chrome://tracing")
        ->check(not_empty());
    sub->footer(
        "Examples:\n  flash infer --server 127.0.0.1:7400 --ca ~/.local/state/flash/server.crt cat.jpg dog.png --top "
        "3\n"
        "  flash infer --server HOST:7400 --pin sha256:... pictures/ --results answers.jsonl --retry 5");
    sub->callback([options] {
        options->command.timeout = std::chrono::seconds(options->timeout);
        app::run_infer(options->command);
    });
}

void add_eval(CLI::App& program) {
    auto command = std::make_shared<app::EvalCommand>();
    CLI::App* sub = program.add_subcommand(
        "eval", "Accuracy of a compiled model by its clear-text twin, and of the private protocol");
    sub->add_option("model", command->model, "Compiled model")->required();
    sub->add_option("--data", command->data, "Pictures: " + data::dataset_forms())->required();
    sub->add_option("--limit", command->limit, "Pictures to evaluate (default: all)")->check(count());
    sub->add_option("--private", command->private_runs,
                    "Run this many also through the real protocol on loopback and compare")
        ->check(count());
    sub->add_option("--trace", command->trace,
                    "File for trace events of both parties in these, for ui.perfetto.dev or chrome://tracing")
        ->check(not_empty());
    sub->add_option("--threads", command->threads, "Threads to compute with (default: all cores)")->check(threads());
    sub->add_flag("--json", command->json, "Print JSON instead of tables");
    sub->footer("Example:\n  flash eval resnet.flash --data cifar10:/data --limit 1000 --private 20");
    sub->callback([command] { app::run_eval(*command); });
}

}  // namespace flash::cli
