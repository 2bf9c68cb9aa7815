#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace flash {

namespace {

/// A file that is being written: closed and, unless released, removed again.
class Temporary {
public:
    Temporary(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
    ~Temporary() {
        if (fd_ >= 0) ::close(fd_);
        if (!path_.empty()) ::unlink(path_.c_str());
    }
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;
    bool close() {
        const int result = ::close(fd_);
        fd_ = -1;
        return result == 0;
    }
    void release() { path_.clear(); }

private:
    int fd_;
    std::string path_;
};

}  // namespace

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
}

RandomAccessFile::RandomAccessFile(RandomAccessFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_) {}

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

void write_file(const std::filesystem::path& path, std::span<const std::span<const std::uint8_t>> parts) {
    const auto fail = [&](const char* what) {
        throw Error(ErrorKind::kFile,
                    fmt::format("cannot write '{}': {}: {}", path.string(), what, std::strerror(errno)));
    };
    std::string name = path.string() + ".XXXXXX";
    const int fd = ::mkostemp(name.data(), O_CLOEXEC);  // mode 0600
    if (fd < 0) fail("creating a temporary file beside it");
    Temporary file(fd, name);
    for (std::span<const std::uint8_t> part : parts) {
        while (!part.empty()) {
            const ssize_t written = ::write(fd, part.data(), part.size());
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) fail("writing");
            part = part.subspan(static_cast<std::size_t>(written));
        }
    }
    if (::fsync(fd) != 0) fail("flushing to disk");
    if (!file.close()) fail("closing");
    if (::rename(name.c_str(), path.c_str()) != 0) fail("renaming the temporary file");
    file.release();
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
    const int folder_fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd >= 0) {
        ::fsync(
            folder_fd);  // makes the rename itself durable; some file systems do not support it, which is not an error
        ::close(folder_fd);
    }
}

}  // namespace flash
