// What numbers on the command line may be, said in words when they are something else.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>

namespace flash::cli {

/// A whole number of this range.
CLI::Validator whole_number(std::int64_t least, std::int64_t most);
/// A number of this range; not-a-number and infinities are outside.
CLI::Validator number(double least, double most);
/// Seconds to wait: 1 to a year.
CLI::Validator seconds();
/// Threads or cores: 1 to 4096.
CLI::Validator threads();
/// Pictures, runs, sessions: 1 to a billion.
CLI::Validator count();

/// A name that is not empty, as one is that comes from a variable of a script which was never set: it would silently
/// stand for the default.
CLI::Validator not_empty();

/// Error(kInvalidArgument) with a helpful sentence if the first word is no command of the program, which CLI11 would
/// call a missing one.
void check_command(const CLI::App& program, int argc, const char* const* argv);

}  // namespace flash::cli
