// Whether a file has changed since it was read.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <optional>

namespace flash::service {

/// Tells one state of a file from another: also where a new one has the size and the date of the old one, as files that
/// are made reproducibly do.
struct FileStamp {
    std::uint64_t device = 0, inode = 0, bytes = 0;
    std::int64_t changed = 0, changed_ns = 0, modified = 0, modified_ns = 0;
    bool operator==(const FileStamp&) const = default;
};

/// Nothing where the file is not there.
inline std::optional<FileStamp> stamp_of(const std::filesystem::path& file) {
    struct stat found {};
    if (::stat(file.c_str(), &found) != 0) return std::nullopt;
    return FileStamp{found.st_dev,         found.st_ino,          static_cast<std::uint64_t>(found.st_size),
                     found.st_ctim.tv_sec, found.st_ctim.tv_nsec, found.st_mtim.tv_sec,
                     found.st_mtim.tv_nsec};
}

}  // namespace flash::service
