#include "lattice/kernels/lanes_simd128.h"
#include "lattice/kernels/pointwise.inl"

namespace flash::lattice::kernels {

const Pointwise kPointwiseSimd128 = kKernels;

}  // namespace flash::lattice::kernels
