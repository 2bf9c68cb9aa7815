// The compiler vectorises this loop as well as intrinsics would.
#include "lattice/kernels/multiply_add.h"

namespace flash::lattice::kernels {

void multiply_add_avx512(std::uint32_t* __restrict out, const std::uint32_t* __restrict in, std::size_t count,
                         std::uint32_t factor) {
    for (std::size_t i = 0; i < count; ++i) out[i] += factor * in[i];
}

}  // namespace flash::lattice::kernels
