#include "lattice/kernels/lanes_simd128.h"
#include "lattice/kernels/residue_sums.inl"

namespace flash::lattice::kernels {

const ResidueSums kResidueSumsSimd128 = kKernels;

}  // namespace flash::lattice::kernels
