// Files: read whole under a size cap or piecewise at given offsets, and written so that a reader sees the old content
// or the new. All errors are Error(kFile) with the path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
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
    /// Fills `out` from the given offset. Throws if the file ends before.
    void read_at(std::uint64_t offset, std::span<std::uint8_t> out) const;

private:
    std::string path_;
    int descriptor_ = -1;
    std::uint64_t size_ = 0;
};

/// The whole file; an error if it is larger than max_bytes, before anything is allocated for it.
std::vector<std::uint8_t> read_file(const std::string& path, std::uint64_t max_bytes);

/// Writes the parts one after the other as one file, through a temporary file beside it, fsync and rename: a full disk
/// or a crash leaves an existing file as it was. The file is readable by its owner only, whatever was there before:
/// what Flash stores this way is secret.
void write_file(const std::filesystem::path& path, std::span<const std::span<const std::uint8_t>> parts);

}  // namespace flash
