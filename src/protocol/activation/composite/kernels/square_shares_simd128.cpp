#include "lattice/kernels/lanes_simd128.h"
#include "protocol/activation/composite/kernels/square_shares.inl"

namespace flash::protocol::kernels {

const SquareShares kSquareSharesSimd128 = kKernels;

}  // namespace flash::protocol::kernels
