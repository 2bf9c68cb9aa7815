#include "base/cores.h"

#include <sched.h>

#include <algorithm>
#include <thread>

namespace flash {

int available_cores() {
    cpu_set_t set;
    // Fails on machines with more cores than the set has room for.
    if (::sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
    return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

}  // namespace flash
