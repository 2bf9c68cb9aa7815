#include "lattice/kernels/lanes_portable.h"
#include "scheme/kernels/composite_kernels.inl"

namespace flash::scheme::kernels {

const CompositeKernels kCompositeKernelsPortable = kKernels;

}  // namespace flash::scheme::kernels
