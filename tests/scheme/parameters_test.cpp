#include "scheme/parameters.h"

#include <gtest/gtest.h>

#include <bit>

#include "base/error.h"
#include "lattice/modulus.h"

namespace flash::scheme {
namespace {

TEST(Parameters, TableIsWhatItsCommentSays) {
    int bits = 24;
    for (const SlotParameters& row : slot_parameters()) {
        EXPECT_EQ(row.plain_bits, bits);
        EXPECT_EQ(row.plain_modulus, lattice::largest_prime_below(1ull << bits, 2 * kSlotDegree));
        EXPECT_EQ(row.primes[0], lattice::largest_prime_below(1ull << (bits + 26), 2 * kSlotDegree));
        EXPECT_EQ(row.primes[1], lattice::largest_prime_below(row.primes[0], 2 * kSlotDegree));
        const lattice::u128 q = static_cast<lattice::u128>(row.primes[0]) * row.primes[1];
        EXPECT_EQ(row.modulus_bits, 64 + static_cast<int>(std::bit_width(static_cast<std::uint64_t>(q >> 64))));
        EXPECT_TRUE(lattice::is_secure(kSlotDegree, row.modulus_bits));
        // Room for 40 bits of flooding: q >= T^2 2^52.
        EXPECT_GE(static_cast<std::uint64_t>((q >> 52) / row.plain_modulus), row.plain_modulus);
        EXPECT_EQ(&slot_parameters(row.plain_modulus), &row);
        EXPECT_EQ(&slot_parameters_for_bits(bits), &row);
        ++bits;
    }
    EXPECT_EQ(bits, 29);
}

TEST(Parameters, UnknownModuliAreRefused) {
    EXPECT_THROW(slot_parameters(65537), Error);
    EXPECT_THROW(slot_parameters_for_bits(23), Error);
    EXPECT_THROW(slot_parameters_for_bits(29), Error);
}

}  // namespace
}  // namespace flash::scheme
