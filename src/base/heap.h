// How the process asks the system for memory, and how much there is.
#pragma once

#include <cstdint>
#include <filesystem>

namespace flash {

/// Lets the C library keep freed memory for the next allocation. An inference allocates and frees the same megabytes
/// for every layer; given back each time, they cost a page fault for every 4 KiB on the way in. (Secrets are
/// overwritten before they are freed, whatever happens to the pages.)
///
/// Threads share an arena for each core, where the library would take eight: each arena keeps as much as the sessions
/// needed that ever met in it, so with many arenas a busy server's memory creeps up.
void keep_freed_memory();

/// Gives back what the C library keeps although nothing is allocated there: after work that will not come again.
void return_freed_memory();

/// Bytes that the system would still give this process: of the machine, and of the control group that it runs in.
std::uint64_t available_memory();

/// Of the control groups alone, the least of what is left in each from `root` (of the unified hierarchy) down to the
/// one that the file `membership` names ("0::/PATH"); the largest number where none has a limit.
std::uint64_t cgroup_memory(const std::filesystem::path& root, const std::filesystem::path& membership);

}  // namespace flash
