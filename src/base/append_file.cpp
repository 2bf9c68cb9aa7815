#include "base/append_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace flash {
namespace {

constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 30;

[[noreturn]] void fail(const std::filesystem::path& path, const char* what) {
    throw Error(ErrorKind::kFile, fmt::format("cannot write '{}': {}: {}", path.string(), what, std::strerror(errno)));
}

}  // namespace

AppendFile::AppendFile(const std::filesystem::path& path)
    : path_(path),
      file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
    if (file_.get() < 0) fail(path, "opening it");
    struct stat status {};
    if (::fstat(file_.get(), &status) != 0) fail(path, "looking at it");
    regular_ = S_ISREG(status.st_mode);
    if (!regular_) return;  // a pipe or a device remembers nothing
    if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0)
        throw Error(ErrorKind::kFile, fmt::format("'{}' is being written to by another process", path.string()));
    const std::vector<std::uint8_t> bytes = read_file(path.string(), kMaxBytes);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (bytes[i] != '\n') continue;
        lines_.emplace_back(bytes.begin() + static_cast<std::ptrdiff_t>(complete_),
                            bytes.begin() + static_cast<std::ptrdiff_t>(i));
        complete_ = i + 1;
    }
    incomplete_.assign(bytes.begin() + static_cast<std::ptrdiff_t>(complete_), bytes.end());
    torn_ = !incomplete_.empty();
}

void AppendFile::append(std::string_view line) {
    if (torn_ && regular_ && ::ftruncate(file_.get(), static_cast<off_t>(complete_)) != 0)
        fail(path_, "removing an incomplete line");
    torn_ = true;
    if (!write_all(file_.get(), std::string(line) + "\n")) fail(path_, "writing");
    complete_ += line.size() + 1;
    torn_ = false;
}

}  // namespace flash
