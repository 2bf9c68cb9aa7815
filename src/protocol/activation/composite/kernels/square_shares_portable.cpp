#include "lattice/kernels/lanes_portable.h"
#include "protocol/activation/composite/kernels/square_shares.inl"

namespace flash::protocol::kernels {

const SquareShares kSquareSharesPortable = kKernels;

}  // namespace flash::protocol::kernels
