// SHA-1 of files, for checksums that others have written down: it protects from accidents only.
#pragma once

#include <array>
#include <cstdint>

namespace flash {

using Sha1 = std::array<std::uint8_t, 20>;

/// Of an open file, from its beginning. Error(kFile) if it cannot be read.
Sha1 sha1_of_file(int descriptor);

}  // namespace flash
