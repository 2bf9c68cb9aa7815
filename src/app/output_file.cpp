#include "app/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.h"

namespace flash::app {

void write_output(const std::filesystem::path& path, std::string_view text) {
    struct stat status {};
    const bool direct = ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
    std::string name = direct ? path.string() : path.string() + ".XXXXXX";
    const int file = direct ? ::open(name.c_str(), O_WRONLY | O_CLOEXEC) : ::mkostemp(name.data(), O_CLOEXEC);
    const auto fail = [&](const char* what) {
        const int reason = errno;
        if (file >= 0 && !direct) ::unlink(name.c_str());
        throw Error(ErrorKind::kFile,
                    fmt::format("cannot write {}: {}: {}", path.string(), what, std::strerror(reason)));
    };
    if (file < 0) fail(direct ? "opening it" : "creating a temporary file beside it");

    bool written = direct || ::fchmod(file, 0644) == 0;
    while (written && !text.empty()) {
        const ssize_t count = ::write(file, text.data(), text.size());
        if (count < 0 && errno == EINTR) continue;
        written = count > 0;
        if (written) text.remove_prefix(static_cast<std::size_t>(count));
    }
    written = written && (direct || ::fsync(file) == 0);
    const int reason = errno;
    const bool closed = ::close(file) == 0;
    if (!written) errno = reason;
    if (!written || !closed) fail("writing");
    if (!direct && ::rename(name.c_str(), path.c_str()) != 0) fail("renaming the temporary file");
}

}  // namespace flash::app
