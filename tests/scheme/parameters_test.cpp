#include "scheme/parameters.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace flash::scheme {
namespace {

TEST(Parameters, RingsOfTheLinearLayers) {
    for (const DirectRing& ring : kDirectRings) {
        EXPECT_TRUE(lattice::is_secure(ring.degree, ring.modulus_bits));
        EXPECT_LE(ring.degree, kMaxDirectDegree);
        EXPECT_EQ(direct_ring(ring.degree).modulus_bits, ring.modulus_bits);
        EXPECT_EQ(ring.mask(), 0u - (1u << ring.low_bits()));
    }
    EXPECT_FALSE(lattice::is_secure(1024, 27));
    EXPECT_EQ(kDirectRings[1].mask(), 0xffffffc0u);
    EXPECT_THROW(direct_ring(512), Error);
    PerRing<int> numbers;
    numbers.make(1024, 7);
    EXPECT_EQ(numbers.at(1024), 7);
    EXPECT_THROW(numbers.at(2048), Error);
}

}  // namespace
}  // namespace flash::scheme
