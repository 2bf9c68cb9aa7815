#include "lattice/kernels/lanes_portable.h"
#include "lattice/kernels/pointwise.inl"

namespace flash::lattice::kernels {

const Pointwise kPointwisePortable = kKernels;

}  // namespace flash::lattice::kernels
