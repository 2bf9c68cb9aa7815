#include "lattice/kernels/lanes_avx512.h"
#include "scheme/kernels/slot_kernels.inl"

namespace flash::scheme::kernels {

const SlotKernels kSlotKernelsAvx512 = kKernels;

}  // namespace flash::scheme::kernels
