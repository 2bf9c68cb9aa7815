#include "base/off_disk.h"

#include <sys/mman.h>
#include <sys/resource.h>

namespace flash {

bool keep_memory_off_disk() {
    // One byte, not none: a limit of zero does not keep the kernel from piping the memory to a collector, this does.
    const rlimit one_byte{1, 1};
    if (setrlimit(RLIMIT_CORE, &one_byte) != 0) {  // a limit of zero that cannot be raised
        const rlimit nothing{0, 0};
        setrlimit(RLIMIT_CORE, &nothing);
    }
    rlimit lockable{};
    if (getrlimit(RLIMIT_MEMLOCK, &lockable) != 0 || lockable.rlim_cur != RLIM_INFINITY) return false;
    return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}

}  // namespace flash
