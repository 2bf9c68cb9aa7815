// What a server says to a client that it has no room for now, so that a program can read when to come again: the
// sentence of a kError message ends with it (docs/formats.md).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace flash::transport {

/// "the server is busy: REASON; retry after S s".
std::string busy(std::string_view reason, std::chrono::seconds retry_after);

/// The seconds at the end of such a sentence, wherever it was quoted. Nothing for any other one.
std::optional<std::chrono::seconds> retry_after(std::string_view sentence);

}  // namespace flash::transport
