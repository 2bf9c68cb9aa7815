#include "lattice/kernels/lanes_avx512.h"
#include "scheme/kernels/composite_kernels.inl"

namespace flash::scheme::kernels {

const CompositeKernels kCompositeKernelsAvx512 = kKernels;

}  // namespace flash::scheme::kernels
