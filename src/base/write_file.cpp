// The writing half of base/file.h.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/temporary_file.h"

namespace flash {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxLinks = 40;  // as Linux follows

[[noreturn]] void fail(const fs::path& path, const char* what, int reason = errno) {
    throw Error(ErrorKind::kFile, fmt::format("cannot write '{}': {}: {}", path.string(), what, std::strerror(reason)));
}

fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : "."; }

bool on_proc(const fs::path& folder) {
    struct statfs status {};
    return ::statfs(folder.c_str(), &status) == 0 && status.f_type == PROC_SUPER_MAGIC;
}

/// Where the bytes go.
struct Target {
    fs::path path;        ///< behind all links
    bool direct = false;  ///< opened and written to; else replaced
    bool exists = false;
    mode_t mode = 0;  ///< of what is there
};

Target find_target(const fs::path& given) {
    Target target{given};
    struct stat status {};
    if (::stat(given.c_str(), &status) == 0) {
        target.exists = true;
        target.mode = status.st_mode & 07777;
        target.direct = !S_ISREG(status.st_mode);
        if (target.direct) return target;
    }
    for (int links = 0; ::lstat(target.path.c_str(), &status) == 0 && S_ISLNK(status.st_mode); ++links) {
        if (links == kMaxLinks) fail(given, "following its links", ELOOP);
        // An open file of a process, such as /dev/stdout: the file behind it may have no name.
        target.direct = on_proc(folder_of(target.path));
        if (target.direct) return target;
        std::error_code error;
        const fs::path next = fs::read_symlink(target.path, error);
        if (error) fail(given, "following its links", error.value());
        target.path = folder_of(target.path) / next;
    }
    return target;
}

template <class Parts>
void write_parts(const fs::path& path, int descriptor, const Parts& parts) {
    for (const auto& part : parts)
        if (!write_all(descriptor, {reinterpret_cast<const char*>(part.data()), part.size()})) fail(path, "writing");
}

}  // namespace

void write_file(const fs::path& path, std::span<const std::span<const std::uint8_t>> parts, Access access) {
    const Target target = find_target(path);
    if (target.direct) {
        // O_APPEND: where it is a file after all, behind what the process has printed there.
        const Descriptor out(::open(target.path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY));
        if (out.get() < 0) fail(path, "opening it");
        write_parts(path, out.get(), parts);
        return;
    }
    const bool everyone = access == Access::kEveryone;
    TemporaryFile file(target.path.string(), everyone ? 0666 : 0600);
    if (file.descriptor() < 0) fail(path, "creating a temporary file beside it");
    if (everyone && target.exists && ::fchmod(file.descriptor(), target.mode) != 0) fail(path, "keeping its mode");
    write_parts(path, file.descriptor(), parts);
    if (::fsync(file.descriptor()) != 0) fail(path, "flushing to disk");
    if (!file.close()) fail(path, "closing");
    if (!file.rename_to(target.path.string())) fail(path, "renaming the temporary file");
    // Makes the rename itself durable; some file systems do not support that, which is not an error.
    const Descriptor folder(::open(folder_of(target.path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() >= 0) ::fsync(folder.get());
}

void write_file(const fs::path& path, std::string_view text, Access access) {
    const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    write_file(path, std::span(&bytes, 1), access);
}

void require_writable(const fs::path& path) {
    const Target target = find_target(path);
    struct stat status {};
    if (target.direct) {
        if (::stat(target.path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) fail(path, "opening it", EISDIR);
        if (::access(target.path.c_str(), W_OK) != 0) fail(path, "opening it");
        return;
    }
    const fs::path folder = folder_of(target.path);
    if (target.path.filename().empty()) fail(path, "opening it", EISDIR);
    if (::stat(folder.c_str(), &status) != 0) fail(path, "its folder");
    if (!S_ISDIR(status.st_mode)) fail(path, "its folder", ENOTDIR);
    if (::access(folder.c_str(), W_OK | X_OK) != 0) fail(path, "creating a temporary file beside it");
}

}  // namespace flash
