#include "lattice/kernels/lanes_avx512.h"
#include "protocol/kernels/activation_shares.inl"

namespace flash::protocol::kernels {

const ActivationShares kActivationSharesAvx512 = kKernels;

}  // namespace flash::protocol::kernels
