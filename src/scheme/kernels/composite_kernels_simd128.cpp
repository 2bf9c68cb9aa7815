#include "lattice/kernels/lanes_simd128.h"
#include "scheme/kernels/composite_kernels.inl"

namespace flash::scheme::kernels {

const CompositeKernels kCompositeKernelsSimd128 = kKernels;

}  // namespace flash::scheme::kernels
