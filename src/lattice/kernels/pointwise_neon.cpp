#include "lattice/kernels/lanes_neon.h"
#include "lattice/kernels/pointwise.inl"

namespace flash::lattice::kernels {

const Pointwise kPointwiseNeon = kKernels;

}  // namespace flash::lattice::kernels
