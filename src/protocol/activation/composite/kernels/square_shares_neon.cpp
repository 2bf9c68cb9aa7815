#include "lattice/kernels/lanes_neon.h"
#include "protocol/activation/composite/kernels/square_shares.inl"

namespace flash::protocol::kernels {

const SquareShares kSquareSharesNeon = kKernels;

}  // namespace flash::protocol::kernels
