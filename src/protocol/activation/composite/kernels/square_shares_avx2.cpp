#include "lattice/kernels/lanes_avx2.h"
#include "protocol/activation/composite/kernels/square_shares.inl"

namespace flash::protocol::kernels {

const SquareShares kSquareSharesAvx2 = kKernels;

}  // namespace flash::protocol::kernels
