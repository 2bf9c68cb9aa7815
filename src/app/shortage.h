// What the machine ran out of: no defect of Flash, and no fault of what it was asked for.
#pragma once

#include <exception>
#include <optional>
#include <string>

namespace flash::app {

/// How the program ends then (EX_OSERR of sysexits.h).
inline constexpr int kShortageStatus = 71;

/// A sentence on memory, threads or descriptors if the exception is about the lack of them.
std::optional<std::string> shortage(const std::exception& error);

}  // namespace flash::app
