#include "lattice/kernels/lanes_portable.h"
#include "protocol/kernels/activation_shares.inl"

namespace flash::protocol::kernels {

const ActivationShares kActivationSharesPortable = kKernels;

}  // namespace flash::protocol::kernels
