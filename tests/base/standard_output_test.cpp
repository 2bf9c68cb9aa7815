#include "base/standard_output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>

#include "base/descriptor.h"
#include "base/error.h"

namespace flash {
namespace {

/// What printing says in a process whose standard output was changed by `change`; empty where it works.
std::string complaint_after(const std::function<void()>& change) {
    std::array<int, 2> answer{};
    EXPECT_EQ(::pipe(answer.data()), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        change();
        guard_standard_streams();
        try {
            print_result("{}\n", std::string(100'000, 'x'));
        } catch (const Error& error) {
            write_all(answer[1], error.what());
            ::_exit(exit_code(error.kind()));
        }
        ::_exit(0);
    }
    ::close(answer[1]);
    std::string text(1000, '\0');
    const ssize_t size = ::read(answer[0], text.data(), text.size());
    ::close(answer[0]);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, text.empty() ? 0 : 5) << text;
    return text;
}

void replace_by(const char* path, int flags) {
    const int file = ::open(path, flags);
    ::dup2(file, STDOUT_FILENO);
}

TEST(StandardOutput, SaysWhyItCannotBeWritten) {
    EXPECT_EQ(complaint_after([] { replace_by("/dev/null", O_WRONLY); }), "");
    EXPECT_EQ(complaint_after([] { replace_by("/dev/full", O_WRONLY); }),
              "cannot write to standard output: No space left on device");
    EXPECT_EQ(complaint_after([] { ::close(STDOUT_FILENO); }), "cannot write to standard output: it is closed");
    EXPECT_EQ(complaint_after([] {
                  std::array<int, 2> ends{};
                  if (::pipe(ends.data()) != 0) ::_exit(1);
                  ::close(ends[0]);
                  ::dup2(ends[1], STDOUT_FILENO);
              }),
              "cannot write to standard output: its reader has gone away");
}

TEST(StandardOutput, GivesNoClosedStreamToALaterFile) {
    const pid_t child = ::fork();
    if (child == 0) {
        for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::close(stream);
        guard_standard_streams();
        ::_exit(::open("/dev/null", O_WRONLY) > STDERR_FILENO ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace flash
