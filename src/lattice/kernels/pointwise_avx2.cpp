#include "lattice/kernels/lanes_avx2.h"
#include "lattice/kernels/pointwise.inl"

namespace flash::lattice::kernels {

const Pointwise kPointwiseAvx2 = kKernels;

}  // namespace flash::lattice::kernels
