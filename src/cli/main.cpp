// `flash`: private inference for deep CNNs.
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <sstream>

#include "app/shortage.h"
#include "base/error.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/off_disk.h"
#include "base/standard_output.h"
#include "base/table.h"
#include "base/temporary_file.h"
#include "base/version.h"
#include "cli/checks.h"
#include "cli/commands.h"

namespace {

/// To standard error; if that cannot be written to, the status has to say it alone.
void complain(const std::string& text) { std::fputs(text.c_str(), stderr); }

/// Runs the command that was asked for. Help is a result, too, and goes the way of all results.
int run(CLI::App& program, int argc, char** argv) {
    try {
        flash::cli::check_command(program, argc, argv);
        program.parse(argc, argv);
        return 0;
    } catch (const CLI::ParseError& error) {
        std::ostringstream out, complaint;
        const int status = program.exit(error, out, complaint);
        complain(complaint.str());
        flash::print_text(out.str());
        return status == 0 ? 0 : flash::exit_code(flash::ErrorKind::kInvalidArgument);
    }
}

}  // namespace

int main(int argc, char** argv) {
    flash::guard_standard_streams();
    flash::remove_temporary_files_on_signals();
    flash::keep_freed_memory();
    flash::keep_memory_off_disk();
    // Results go to standard output, everything else to standard error.
    spdlog::set_default_logger(spdlog::stderr_color_mt("flash"));
    spdlog::set_pattern("%Y-%m-%d %H:%M:%S %^%l%$ %v");
    flash::set_log([](flash::LogLevel level, std::string_view line) {
        constexpr std::array kLevels = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                        spdlog::level::err};
        spdlog::log(kLevels[static_cast<std::size_t>(level)], "{}", line);
    });

    CLI::App program(
        "Flash: private inference for deep CNNs. The server never sees the picture, the client never sees the model.",
        "flash");
    program.require_subcommand(1);
    program.allow_config_extras(CLI::config_extras_mode::error);  // a slip must not pass for a setting
    program
        .set_config(
            "--config", "",
            "TOML file with the options of a command in a section of its name, e.g. [serve]; what stands on the "
            "command line comes first")
        ->envname("FLASH_CONFIG");
    program.set_version_flag("--version", fmt::format("flash {}", flash::kVersion));
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
    flash::cli::add_models(program);
    flash::cli::add_token(program);
    flash::cli::add_eval(program);
    flash::cli::add_bench(program);
    try {
        return run(program, argc, argv);
    } catch (const flash::Error& error) {
        complain(fmt::format("flash: {}\n", flash::printable_lines(error.what())));
        return flash::exit_code(error.kind());
    } catch (const std::exception& error) {
        if (const auto lack = flash::app::shortage(error)) {
            complain(fmt::format("flash: {}\n", *lack));
            return flash::app::kShortageStatus;
        }
        complain(fmt::format("flash: internal error: {}\n", flash::printable_lines(error.what())));
        return flash::exit_code(flash::ErrorKind::kInternal);
    }
}
