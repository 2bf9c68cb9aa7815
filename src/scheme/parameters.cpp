#include "scheme/parameters.h"

#include "base/error.h"

namespace flash::scheme {

namespace {

// For b = 24..28: T is the largest prime = 1 mod 8192 below 2^b. The ciphertext primes are two of 50 bits for b = 24;
// for larger b two would need more than 50 bits, so there are three. Their sizes add up to 2b + 52 bits and differ by
// at most one bit; each is the largest of its size not taken yet, so that q is just below 2^(2b + 52). parameters_test
// recomputes the table. response_bits: proof in slots.cpp.
constexpr std::array<SlotParameters, 5> kTable{{
    {16760833, 24, 2, {1125899906826241, 1125899906629633, 0}, 100, 34},
    {33538049, 25, 3, {17179754497, 17179672577, 17179648001}, 102, 35},
    {67084289, 26, 3, {34359697409, 34359451649, 17179754497}, 104, 36},
    {134176769, 27, 3, {68719403009, 34359697409, 34359451649}, 106, 37},
    {268369921, 28, 3, {68719403009, 68719230977, 68719206401}, 108, 38},
}};

constexpr bool all_secure() {
    for (const SlotParameters& row : kTable)
        if (!lattice::is_secure(kSlotDegree, row.modulus_bits)) return false;
    return true;
}
static_assert(all_secure(), "slot parameters outside the 128-bit security table");

}  // namespace

std::size_t direct_ring_index(std::size_t degree) {
    for (std::size_t i = 0; i < kDirectRings.size(); ++i)
        if (kDirectRings[i].degree == degree) return i;
    throw Error(ErrorKind::kInternal, "no ring of the linear layers has polynomials of this size");
}

const std::array<SlotParameters, 5>& slot_parameters() { return kTable; }

const SlotParameters& slot_parameters(std::uint32_t plain_modulus) {
    for (const SlotParameters& row : kTable)
        if (row.plain_modulus == plain_modulus) return row;
    throw Error(ErrorKind::kInvalidArgument, "the plaintext modulus is not one of the five of the parameter table");
}

const SlotParameters& slot_parameters_for_bits(int plain_bits) {
    for (const SlotParameters& row : kTable)
        if (row.plain_bits == plain_bits) return row;
    throw Error(ErrorKind::kInvalidArgument, "a plaintext modulus has 24 to 28 bits");
}

}  // namespace flash::scheme
