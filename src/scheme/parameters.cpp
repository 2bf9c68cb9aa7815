#include "scheme/parameters.h"

#include "base/error.h"

namespace flash::scheme {

namespace {

// For b = 24..28: T is the largest prime = 1 mod 8192 below 2^b; the ciphertext primes are the two largest below 2^(b + 26), so that
// q is just below 2^(2b + 52). parameters_test recomputes the table. response_bits: proof in slots.cpp.
constexpr std::array<SlotParameters, 5> kTable{{
    {16760833, 24, {1125899906826241, 1125899906629633}, 100, 34},
    {33538049, 25, {2251799813554177, 2251799813480449}, 102, 35},
    {67084289, 26, {4503599627149313, 4503599627124737}, 104, 36},
    {134176769, 27, {9007199254429697, 9007199254364161}, 106, 37},
    {268369921, 28, {18014398509309953, 18014398509293569}, 108, 38},
}};

constexpr bool all_secure() {
    for (const SlotParameters& row : kTable)
        if (!lattice::is_secure(kSlotDegree, row.modulus_bits)) return false;
    return true;
}
static_assert(all_secure(), "slot parameters outside the 128-bit security table");

}  // namespace

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
