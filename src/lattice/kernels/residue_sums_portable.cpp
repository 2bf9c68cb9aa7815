#include "lattice/kernels/lanes_portable.h"
#include "lattice/kernels/residue_sums.inl"

namespace flash::lattice::kernels {

const ResidueSums kResidueSumsPortable = kKernels;

}  // namespace flash::lattice::kernels
