// Files that commands write.
#pragma once

#include <filesystem>
#include <string_view>

namespace flash::app {

/// Writes a whole file, or leaves what was there as it is: into a temporary file beside it, which then takes its name.
/// A device or a pipe is written to directly. Throws Error(kFile) with the path and the reason, such as a full disk.
void write_output(const std::filesystem::path& path, std::string_view text);

}  // namespace flash::app
