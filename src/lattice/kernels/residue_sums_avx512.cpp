#include "lattice/kernels/lanes_avx512.h"
#include "lattice/kernels/residue_sums.inl"

namespace flash::lattice::kernels {

const ResidueSums kResidueSumsAvx512 = kKernels;

}  // namespace flash::lattice::kernels
