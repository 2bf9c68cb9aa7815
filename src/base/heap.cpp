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

/// The number that a file of one line holds; nothing where it is not there or says "max".
std::optional<std::uint64_t> number_in(const char* file) {
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
    const auto most = number_in("/sys/fs/cgroup/memory.max"), used = number_in("/sys/fs/cgroup/memory.current");
    if (most && used) bytes = std::min(bytes, *most - std::min(*most, *used));
    return bytes;
}

}  // namespace flash
