#include <CLI/CLI.hpp>
#include <memory>

#include "app/models.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/connect_options.h"

namespace flash::cli {

void add_models(CLI::App& program) {
    struct Options {
        app::ModelsCommand command;
        int timeout = 30;
    };
    auto options = std::make_shared<Options>();
    app::ModelsCommand& command = options->command;
    CLI::App* sub = program.add_subcommand("models", "List the models of a server");
    add_connect_options(*sub, command);
    sub->add_option("--timeout", options->timeout, "Seconds to wait for the server")
        ->capture_default_str()
        ->check(seconds());
    sub->add_flag("--json", command.json, "Print JSON instead of a table");
    sub->footer("Example:\n  flash models --server 127.0.0.1:7400 --ca ~/.local/state/flash/server.crt");
    sub->callback([options] {
        options->command.timeout = std::chrono::seconds(options->timeout);
        app::run_models(options->command);
    });
}

}  // namespace flash::cli
