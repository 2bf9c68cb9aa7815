// Files: read whole under a size cap or piecewise at given offsets (file.cpp), and written so that a reader sees the
// old content or the new (write_file.cpp). All errors are Error(kFile) with the path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace flash {

/// An open regular file that several threads may read at once.
class RandomAccessFile {
public:
    explicit RandomAccessFile(const std::string& path);
    ~RandomAccessFile();
    RandomAccessFile(RandomAccessFile&& other) noexcept;
    RandomAccessFile& operator=(RandomAccessFile&&) = delete;
    RandomAccessFile(const RandomAccessFile&) = delete;
    RandomAccessFile& operator=(const RandomAccessFile&) = delete;

    const std::string& path() const { return path_; }
    std::uint64_t size() const { return size_; }
    unsigned mode() const { return mode_; }  ///< permission bits
    /// Fills `out` from the given offset. Throws if the file ends before.
    void read_at(std::uint64_t offset, std::span<std::uint8_t> out) const;

private:
    std::string path_;
    int descriptor_ = -1;
    std::uint64_t size_ = 0;
    unsigned mode_ = 0;
};

/// The whole file; an error if it is larger than max_bytes, before anything is allocated for it.
std::vector<std::uint8_t> read_file(const std::string& path, std::uint64_t max_bytes);

/// Who may read a file that is written.
enum class Access {
    kOwner,     ///< its owner only, whatever was there before: what Flash keeps for itself is secret
    kEveryone,  ///< as the process's umask says; a file that is there keeps its mode
};

/// Writes the parts one after the other as one file: the way in which everything is written that has a path. A link is
/// followed. What is a regular file, or not there, is written under another name beside it, flushed to the disk and
/// then renamed: a full disk, a crash or a signal leaves the file as it was, and nothing beside it. Anything else (a
/// device, a FIFO, an open file under /proc) is opened and written to, and stays what it is. Error(kFile) with the path
/// and the reason.
void write_file(const std::filesystem::path& path, std::span<const std::span<const std::uint8_t>> parts,
                Access access = Access::kOwner);
void write_file(const std::filesystem::path& path, std::string_view text, Access access);

/// Error(kFile) if write_file() would fail at once, as it does in a folder that does not exist: to be asked before work
/// whose result goes there. Writes nothing.
void require_writable(const std::filesystem::path& path);

}  // namespace flash
