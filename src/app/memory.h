// How the process asks the system for memory.
#pragma once

namespace flash::app {

/// Lets the C library keep freed memory for the next allocation. An inference allocates and frees the same megabytes
/// for every layer; given back each time, they cost a page fault for every 4 KiB on the way in. (Secrets are
/// overwritten before they are freed, whatever happens to the pages.)
void keep_freed_memory();

/// Gives back what the C library keeps although nothing is allocated there: after work that will not come again.
void return_freed_memory();

}  // namespace flash::app
