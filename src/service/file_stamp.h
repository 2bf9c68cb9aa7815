// Whether a file has changed since it was read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace flash::service {

/// Tells one state of a file from another.
struct FileStamp {
    std::filesystem::file_time_type time;
    std::uintmax_t bytes = 0;
    bool operator==(const FileStamp&) const = default;
};

/// Nothing where the file is not there.
inline std::optional<FileStamp> stamp_of(const std::filesystem::path& file) {
    std::error_code error;
    const FileStamp stamp{std::filesystem::last_write_time(file, error), std::filesystem::file_size(file, error)};
    if (error) return std::nullopt;
    return stamp;
}

}  // namespace flash::service
