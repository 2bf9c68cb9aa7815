// The error type of the public headers, and what the program makes of it.
#pragma once

#include "flash/error.h"

namespace flash {

/// Process exit status for a command that ends with this error (2 usage, 3 file, 4 network, ...).
int exit_code(ErrorKind kind);

/// Throws Error(kind, message) unless condition holds.
inline void require(bool condition, ErrorKind kind, const char* message) {
    if (!condition) throw Error(kind, message);
}

}  // namespace flash
