#include "lattice/kernels/lanes_neon.h"
#include "scheme/kernels/composite_kernels.inl"

namespace flash::scheme::kernels {

const CompositeKernels kCompositeKernelsNeon = kKernels;

}  // namespace flash::scheme::kernels
