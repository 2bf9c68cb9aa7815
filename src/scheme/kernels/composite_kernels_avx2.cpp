#include "lattice/kernels/lanes_avx2.h"
#include "scheme/kernels/composite_kernels.inl"

namespace flash::scheme::kernels {

const CompositeKernels kCompositeKernelsAvx2 = kKernels;

}  // namespace flash::scheme::kernels
