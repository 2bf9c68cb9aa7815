#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace flash {

RandomAccessFile::RandomAccessFile(const std::string& path) : path_(path) {
    // O_NONBLOCK: opening a FIFO must not wait for a writer; it is refused just below.
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor_ < 0) throw Error(ErrorKind::kFile, fmt::format("cannot open '{}': {}", path, std::strerror(errno)));
    struct stat status {};
    const bool regular = ::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
    if (!regular) {
        ::close(descriptor_);
        throw Error(ErrorKind::kFile, fmt::format("'{}' is not a regular file", path));
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
    mode_ = status.st_mode & 07777;
}

RandomAccessFile::RandomAccessFile(RandomAccessFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      mode_(other.mode_) {}

RandomAccessFile::~RandomAccessFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

void RandomAccessFile::read_at(std::uint64_t offset, std::span<std::uint8_t> out) const {
    while (!out.empty()) {
        const ssize_t got = ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw Error(ErrorKind::kFile, fmt::format("cannot read '{}': {}", path_, std::strerror(errno)));
        if (got == 0)
            throw Error(ErrorKind::kFile,
                        fmt::format("'{}' ends at byte {}, {} bytes too early", path_, offset, out.size()));
        offset += static_cast<std::uint64_t>(got);
        out = out.subspan(static_cast<std::size_t>(got));
    }
}

std::vector<std::uint8_t> read_file(const std::string& path, std::uint64_t max_bytes) {
    const RandomAccessFile file(path);
    if (file.size() > max_bytes) {
        throw Error(ErrorKind::kFile,
                    fmt::format("'{}' is too large: {} bytes, the limit is {}", path, file.size(), max_bytes));
    }
    std::vector<std::uint8_t> bytes(file.size());
    file.read_at(0, bytes);
    return bytes;
}

}  // namespace flash
