#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "app/token.h"
#include "cli/commands.h"

namespace flash::cli {

void add_token(CLI::App& program) {
    auto file = std::make_shared<std::string>();
    CLI::App* sub = program.add_subcommand("token", "Make a token that lets a client in (flash serve --access)");
    sub->add_option("file", *file, "Where the token goes, for `flash infer --token-file`; must not be there yet")
        ->required();
    sub->footer("Example:\n  flash token clinic.token    # prints what the server's access list needs of it");
    sub->callback([file] { app::run_token(*file); });
}

}  // namespace flash::cli
