#include "lattice/kernels/lanes_portable.h"
#include "scheme/kernels/slot_kernels.inl"

namespace flash::scheme::kernels {

const SlotKernels kSlotKernelsPortable = kKernels;

}  // namespace flash::scheme::kernels
