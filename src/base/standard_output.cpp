#include "base/standard_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/descriptor.h"

namespace flash {

void print_text(std::string_view text) {
    if (write_all(STDOUT_FILENO, text)) return;
    const char* reason = errno == EPIPE   ? "its reader has gone away"
                         : errno == EBADF ? "it is closed"
                                          : std::strerror(errno);
    throw OutputError(fmt::format("cannot write to standard output: {}", reason));
}

void guard_standard_streams() {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
        // The lowest free number is this one. Read-only: writing to it stays an error.
        if (::open("/dev/null", O_RDONLY) != stream) ::_exit(exit_code(ErrorKind::kFile));
    }
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace flash
