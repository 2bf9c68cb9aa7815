// Keeps what this process has in memory, secrets among it, from being written to a disk by the system.
#pragma once

namespace flash {

/// No core file of this process is written from now on, nor handed to a program that collects them. Where the process
/// may lock as much memory as it likes (RLIMIT_MEMLOCK is infinite, as the service's unit sets it), none of it goes to
/// swap either; with a limit, locking would make allocations fail. Gives whether swap is ruled out.
bool keep_memory_off_disk();

}  // namespace flash
