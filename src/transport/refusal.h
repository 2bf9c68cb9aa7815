// What a server says to a client that it has no room for now, so that a program can read when to come again: the
// sentence of a kError message ends with it (docs/formats.md).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace flash::transport {

/// "SENTENCE; retry after S s".
std::string come_again(const std::string& sentence, std::chrono::seconds retry_after);

/// "the server is busy: REASON; retry after S s".
std::string busy(std::string_view reason, std::chrono::seconds retry_after);

/// The seconds at the end of such a sentence, wherever it was quoted. Nothing for any other one.
std::optional<std::chrono::seconds> retry_after(std::string_view sentence);

/// "access denied: WHY": asking again is of no use.
std::string denied(const std::string& why);

/// Whether a sentence says so, wherever it was quoted.
bool is_denied(std::string_view sentence);

}  // namespace flash::transport
