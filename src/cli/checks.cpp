#include "cli/checks.h"

#include <fmt/format.h>

#include <charconv>
#include <string>
#include <type_traits>

#include "base/error.h"

namespace flash::cli {
namespace {

template <class Number>
CLI::Validator between(Number least, Number most, const char* kind, const std::string& shown) {
    return CLI::Validator(
        [=](std::string& text) {
            Number value{};
            const char* end = text.data() + text.size();
            const auto [stop, error] = std::from_chars(text.data(), end, value);
            // CLI11 takes a whole number with a leading zero for an octal one.
            const std::size_t digits = text.starts_with('-') ? 1 : 0;
            const bool octal = std::is_integral_v<Number> && text.size() > digits + 1 && text[digits] == '0';
            // Written so that not-a-number is refused too.
            const bool good = error == std::errc{} && stop == end && value >= least && value <= most && !octal;
            return good ? std::string()
                        : fmt::format("'{}' is not {} {}{}", text, kind, shown, octal ? ", without leading zeros" : "");
        },
        "", "");
}

}  // namespace

CLI::Validator whole_number(std::int64_t least, std::int64_t most) {
    return between<std::int64_t>(least, most, "a whole number", fmt::format("from {} to {}", least, most));
}

CLI::Validator number(double least, double most) {
    return between<double>(least, most, "a number", fmt::format("from {:g} to {:g}", least, most));
}

CLI::Validator seconds() { return whole_number(1, 366 * 86'400); }

CLI::Validator threads() { return whole_number(1, 4096); }

CLI::Validator count() { return whole_number(1, 1'000'000'000); }

CLI::Validator not_empty() {
    return CLI::Validator(
        [](std::string& text) {
            return text.empty() ? std::string("it is empty; leave the option out") : std::string();
        },
        "", "");
}

void check_command(const CLI::App& program, int argc, const char* const* argv) {
    if (argc < 2 || argv[1][0] == '-') return;
    std::string names;
    for (const CLI::App* command : program.get_subcommands({})) {
        if (command->check_name(argv[1])) return;
        names += (names.empty() ? "" : ", ") + command->get_name();
    }
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("there is no command '{}'; the commands are {} (flash --help)", argv[1], names));
}

}  // namespace flash::cli
