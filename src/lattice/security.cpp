#include "lattice/security.h"

#include "base/error.h"

namespace flash::lattice {

void require_secure(std::size_t n, int modulus_bits) {
    require(is_secure(n, modulus_bits), ErrorKind::kInvalidArgument,
            "this ring dimension and modulus size are not in the 128-bit security table of 2024");
}

}  // namespace flash::lattice
