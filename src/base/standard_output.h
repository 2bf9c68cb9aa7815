// Standard output, where commands print their results: checked, because a result that is not there must not look like a
// success.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace flash {

/// Standard output cannot be written to. A type of its own: a command that goes on after other errors ends at this one.
class OutputError : public Error {
public:
    explicit OutputError(const std::string& message) : Error(ErrorKind::kFile, message) {}
};

/// Writes all of the text at once. OutputError if that fails: a full disk, a reader that went away, a closed stream.
void print_text(std::string_view text);

/// The same with fmt's formatting.
template <class... Arguments>
void print_result(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    print_text(fmt::format(format, std::forward<Arguments>(arguments)...));
}

/// For the first line of main(). Where a standard stream is closed, takes its number away, so that no file or
/// connection that is opened later gets it and is written to by mistake: printing fails, reading gives nothing. A
/// reader that goes away, or a limit on the size of files, is then an error of the writing instead of a signal that
/// ends the process.
void guard_standard_streams();

}  // namespace flash
