#include "lattice/kernels/lanes_avx2.h"
#include "lattice/kernels/residue_sums.inl"

namespace flash::lattice::kernels {

const ResidueSums kResidueSumsAvx2 = kKernels;

}  // namespace flash::lattice::kernels
