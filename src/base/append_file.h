// A file of lines that grows while work goes on, and that a later run continues.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"

namespace flash {

/// Of one process at a time: another one is refused while it is open. All errors are Error(kFile) with the path.
class AppendFile {
public:
    /// Opens or creates it. What stands behind the last line that is complete, from a run that was cut off, is removed.
    explicit AppendFile(const std::filesystem::path& path);
    /// The complete lines that were there, without their ends.
    const std::vector<std::string>& lines() const { return lines_; }
    /// Writes a line; its end is added.
    void append(std::string_view line);

private:
    std::filesystem::path path_;
    Descriptor file_;
    std::vector<std::string> lines_;
};

}  // namespace flash
