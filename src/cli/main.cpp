// `flash`: private inference for deep CNNs.
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>

#include "app/memory.h"
#include "base/error.h"
#include "base/table.h"
#include "cli/commands.h"

int main(int argc, char** argv) {
    flash::app::keep_freed_memory();
    // Results go to standard output, everything else to standard error.
    spdlog::set_default_logger(spdlog::stderr_color_mt("flash"));
    spdlog::set_pattern("%Y-%m-%d %H:%M:%S %^%l%$ %v");

    CLI::App program(
        "Flash: private inference for deep CNNs. The server never sees the picture, the client never sees the model.",
        "flash");
    program.require_subcommand(1);
    program.set_version_flag("--version", "flash 0.1.0");
    program.get_formatter()->column_width(34);
    program.footer(
        "Example, in two terminals:\n"
        "  flash serve models/cifar10/cifar10.flash --listen 127.0.0.1:7400\n"
        "  flash infer --server 127.0.0.1:7400 --ca ~/.local/state/flash/server.crt cat.jpg\n"
        "`flash COMMAND --help` describes each command.");
    flash::cli::add_compile(program);
    flash::cli::add_plan(program);
    flash::cli::add_serve(program);
    flash::cli::add_infer(program);
    flash::cli::add_eval(program);
    flash::cli::add_bench(program);
    try {
        program.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int status = program.exit(error);
        return status == 0 ? 0 : flash::exit_code(flash::ErrorKind::kInvalidArgument);
    } catch (const flash::Error& error) {
        fmt::print(stderr, "flash: {}\n", flash::printable(error.what()));
        return flash::exit_code(error.kind());
    } catch (const std::exception& error) {
        fmt::print(stderr, "flash: internal error: {}\n", flash::printable(error.what()));
        return flash::exit_code(flash::ErrorKind::kInternal);
    }
    return 0;
}
