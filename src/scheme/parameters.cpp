#include "scheme/parameters.h"

#include "base/error.h"

namespace flash::scheme {

std::size_t direct_ring_index(std::size_t degree) {
    for (std::size_t i = 0; i < kDirectRings.size(); ++i)
        if (kDirectRings[i].degree == degree) return i;
    throw Error(ErrorKind::kInternal, "no ring of the linear layers has polynomials of this size");
}

const SlotParameters& slot_parameters(std::uint32_t plain_modulus) {
    for (const SlotParameters& row : kSlotParameters)
        if (row.plain_modulus == plain_modulus) return row;
    throw Error(ErrorKind::kInvalidArgument, "the plaintext modulus is not one of the five of the parameter table");
}

const SlotParameters& slot_parameters_for_bits(int plain_bits) {
    for (const SlotParameters& row : kSlotParameters)
        if (row.plain_bits == plain_bits) return row;
    throw Error(ErrorKind::kInvalidArgument, "a plaintext modulus has 24 to 28 bits");
}

}  // namespace flash::scheme
