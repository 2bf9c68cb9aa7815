#include "base/heap.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include "base/cores.h"

namespace flash {

namespace {

namespace fs = std::filesystem;

/// The number that a file of one line holds; nothing where it is not there or says "max".
std::optional<std::uint64_t> number_in(const fs::path& file) {
    std::ifstream in(file);
    std::uint64_t number = 0;
    if (!(in >> number)) return std::nullopt;
    return number;
}

}  // namespace

void keep_freed_memory() {
#if defined(__GLIBC__)
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TOP_PAD, 4 << 20);
    mallopt(M_ARENA_MAX, std::max(2, available_cores()));
#endif
}

void return_freed_memory() {
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
}

std::uint64_t available_memory() {
    std::uint64_t bytes =
        static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    std::ifstream in("/proc/meminfo");
    std::string name, unit;
    for (std::uint64_t kib = 0; in >> name >> kib; std::getline(in, unit))
        if (name == "MemAvailable:") bytes = kib << 10;
    return std::min(bytes, cgroup_memory("/sys/fs/cgroup", "/proc/self/cgroup"));
}

std::uint64_t cgroup_memory(const fs::path& root, const fs::path& membership) {
    std::uint64_t bytes = std::numeric_limits<std::uint64_t>::max();
    const auto look = [&](const fs::path& group) {
        const auto most = number_in(group / "memory.max"), used = number_in(group / "memory.current");
        if (most && used) bytes = std::min(bytes, *most - std::min(*most, *used));
    };
    look(root);
    std::ifstream in(membership);
    for (std::string line; std::getline(in, line);) {
        if (!line.starts_with("0::/")) continue;  // of the unified hierarchy
        fs::path group = root;
        for (const fs::path& part : fs::path(line.substr(4))) {
            if (part == "..") break;  // outside of what this process sees
            look(group /= part);
        }
    }
    return bytes;
}

}  // namespace flash
