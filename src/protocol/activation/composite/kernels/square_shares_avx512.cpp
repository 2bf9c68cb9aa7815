#include "lattice/kernels/lanes_avx512.h"
#include "protocol/activation/composite/kernels/square_shares.inl"

namespace flash::protocol::kernels {

const SquareShares kSquareSharesAvx512 = kKernels;

}  // namespace flash::protocol::kernels
