// How many processor cores there are to compute on.
#pragma once

namespace flash {

/// Cores that this process may use: those of its affinity, which may be fewer than the machine has. At least one.
int available_cores();

}  // namespace flash
