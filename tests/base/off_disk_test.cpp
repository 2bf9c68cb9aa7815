#include "base/off_disk.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace flash {
namespace {

/// Bytes of this process that cannot be swapped out.
long locked_kib() {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("VmLck:")) return std::strtol(line.c_str() + 6, nullptr, 10);
    return -1;
}

/// Runs the check in a process of its own: what it changes cannot be taken back.
bool in_child(const rlimit& lockable, bool (*check)()) {
    const pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_MEMLOCK, &lockable);
        _exit(check() ? 0 : 1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(OffDisk, NoCoreFileAndNoLockUnderALimit) {
    EXPECT_TRUE(in_child({1 << 16, 1 << 16}, [] {
        const bool locked = keep_memory_off_disk();
        rlimit core{};
        getrlimit(RLIMIT_CORE, &core);
        return !locked && core.rlim_cur <= 1 && core.rlim_max <= 1 && locked_kib() == 0;
    }));
}

TEST(OffDisk, LocksAllWhereThatIsAllowed) {
    EXPECT_TRUE(in_child({RLIM_INFINITY, RLIM_INFINITY}, [] {
        rlimit lockable{};
        getrlimit(RLIMIT_MEMLOCK, &lockable);
        if (lockable.rlim_cur != RLIM_INFINITY) return !keep_memory_off_disk();  // not allowed to raise the limit
        if (!keep_memory_off_disk()) return false;
        std::vector<char> later(64 << 20, 'x');
        return later[1000] == 'x' && locked_kib() > 60'000;
    }));
}

}  // namespace
}  // namespace flash
