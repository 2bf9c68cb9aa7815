#include "lattice/kernels/lanes_avx512.h"
#include "lattice/kernels/pointwise.inl"

namespace flash::lattice::kernels {

const Pointwise kPointwiseAvx512 = kKernels;

}  // namespace flash::lattice::kernels
