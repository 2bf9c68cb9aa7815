#include "scheme/parameters.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <vector>

#include "base/error.h"
#include "lattice/modulus.h"

namespace flash::scheme {
namespace {

using Integer = lattice::u128;

TEST(Parameters, RingsOfTheLinearLayers) {
    for (const DirectRing& ring : kDirectRings) {
        EXPECT_TRUE(lattice::is_secure_2024(ring.degree, ring.modulus_bits));
        EXPECT_LE(ring.degree, kMaxDirectDegree);
        EXPECT_EQ(direct_ring(ring.degree).modulus_bits, ring.modulus_bits);
        EXPECT_EQ(ring.mask(), 0u - (1u << ring.low_bits()));
    }
    EXPECT_FALSE(lattice::is_secure_2024(1024, 27));
    EXPECT_EQ(kDirectRings[1].mask(), 0xffffffc0u);
    EXPECT_THROW(direct_ring(512), Error);
    PerRing<int> numbers;
    numbers.make(1024, 7);
    EXPECT_EQ(numbers.at(1024), 7);
    EXPECT_THROW(numbers.at(2048), Error);
}

TEST(Parameters, TableIsWhatItsCommentSays) {
    int bits = 24;
    for (const SlotParameters& row : kSlotParameters) {
        EXPECT_EQ(row.plain_bits, bits);
        EXPECT_EQ(row.plain_modulus, lattice::largest_prime_below(1ull << bits, 2 * kSlotDegree));
        const int modulus_bits = 2 * bits + 52, count = bits == 24 ? 2 : 3;
        ASSERT_EQ(row.prime_count, static_cast<std::size_t>(count));
        Integer q = 1;
        std::vector<std::uint64_t> used;
        for (int i = 0; i < count; ++i) {
            const int width = (modulus_bits + count - 1 - i) / count;  // the larger ones first
            EXPECT_LE(width, 50);
            std::uint64_t prime = lattice::largest_prime_below(1ull << width, 2 * kSlotDegree);
            while (std::count(used.begin(), used.end(), prime))
                prime = lattice::largest_prime_below(prime, 2 * kSlotDegree);
            used.push_back(prime);
            EXPECT_EQ(row.primes()[static_cast<std::size_t>(i)], prime);
            EXPECT_EQ(static_cast<int>(std::bit_width(prime)), width);
            q *= prime;
        }
        EXPECT_EQ(row.modulus_bits, modulus_bits);
        EXPECT_EQ(q >> (modulus_bits - 1), 1u);
        EXPECT_EQ(row.response_bits, bits + 10);
        EXPECT_TRUE(lattice::is_secure(kSlotDegree, row.modulus_bits));
        // Room for 40 bits of flooding: q >= T^2 2^52.
        EXPECT_GE(q >> 52, Integer(row.plain_modulus) * row.plain_modulus);
        EXPECT_EQ(&slot_parameters(row.plain_modulus), &row);
        EXPECT_EQ(&slot_parameters_for_bits(bits), &row);
        ++bits;
    }
    EXPECT_EQ(bits, 29);
}

TEST(Parameters, ResponsePrime) {
    EXPECT_EQ(kSlotResponsePrime, lattice::largest_prime_below(1ull << 50, 2 * kSlotDegree));
}

TEST(Parameters, UnknownModuliAreRefused) {
    EXPECT_THROW(slot_parameters(65537), Error);
    EXPECT_THROW(slot_parameters_for_bits(23), Error);
    EXPECT_THROW(slot_parameters_for_bits(29), Error);
}

}  // namespace
}  // namespace flash::scheme
