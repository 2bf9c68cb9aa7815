// Files read from disk: whole, under a size cap, or piecewise at given offsets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace flash::data {

/// An open regular file that several threads may read at once. All errors are Error(kFile) with the path.
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

/// The whole file; Error(kFile) if it is larger than max_bytes, before anything is allocated for it.
std::vector<std::uint8_t> read_file(const std::string& path, std::uint64_t max_bytes);

/// Lines without their ends (LF or CRLF) and without empty lines.
std::vector<std::string> read_lines(const std::string& path, std::uint64_t max_bytes);

}  // namespace flash::data
