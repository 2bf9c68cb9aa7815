#include "lattice/kernels/lanes_neon.h"
#include "lattice/kernels/residue_sums.inl"

namespace flash::lattice::kernels {

const ResidueSums kResidueSumsNeon = kKernels;

}  // namespace flash::lattice::kernels
