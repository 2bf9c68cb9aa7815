// Text files read from disk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"

namespace flash::data {

/// Lines without their ends (LF or CRLF) and without empty lines. Error(kFile) if the file is larger than max_bytes.
std::vector<std::string> read_lines(const std::string& path, std::uint64_t max_bytes);

}  // namespace flash::data
