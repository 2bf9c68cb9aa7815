// A file of lines that grows while work goes on, and that a later run continues.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"

namespace flash {

/// Of one process at a time: another one is refused while it is open. All errors are Error(kFile) with the path.
class AppendFile {
public:
    /// Opens or creates it, and changes nothing of what is there.
    explicit AppendFile(const std::filesystem::path& path);
    /// The complete lines that were there, without their ends.
    const std::vector<std::string>& lines() const { return lines_; }
    /// What stood behind them: of a run that was cut off, or of a file that is none of ours. The first line that is
    /// appended takes its place.
    const std::string& incomplete() const { return incomplete_; }
    /// Writes a line; its end is added. What an append before it left half-written is removed first.
    void append(std::string_view line);

private:
    std::filesystem::path path_;
    Descriptor file_;
    std::vector<std::string> lines_;
    std::string incomplete_;
    std::uint64_t complete_ = 0;  ///< bytes up to the end of the last complete line
    bool torn_ = false;           ///< something may stand behind them
    bool regular_ = false;        ///< no pipe or device
};

}  // namespace flash
