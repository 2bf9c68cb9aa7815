// That the proof about the slot scheme's noise notices parameters without room. (That the table has room is asserted
// beside the proof.)
#include "scheme/slot_noise.h"

#include <gtest/gtest.h>

#include <cmath>

namespace flash::scheme {
namespace {

TEST(SlotNoise, StandardDeviationsAreThoseOfTheText) {
    for (const SlotParameters& row : kSlotParameters) {
        EXPECT_NEAR(std::sqrt(slot_noise::product_variance(row)) / row.plain_modulus, 104, 0.5);
        EXPECT_NEAR(slot_noise::flooded_part(row), 0.5, 5e-4);
        EXPECT_NEAR(slot_noise::switched_room(row), 256, 1);
    }
    EXPECT_NEAR(std::sqrt(slot_noise::kRerandomisationVariance), 240, 1);
    EXPECT_NEAR(std::sqrt(slot_noise::kSwitchingVariance), 15.1, 0.05);
}

TEST(SlotNoise, AResponseWithOneBitLessHasTooLittleRoom) {
    for (SlotParameters row : kSlotParameters) {
        --row.response_bits;
        EXPECT_FALSE(slot_noise::decrypts(row));
        EXPECT_NEAR(slot_noise::switched_room(row) / std::sqrt(slot_noise::kSwitchingVariance), 8.5, 0.1);
    }
}

TEST(SlotNoise, AResponseOf39BitsPassesThePrimeOfItsDecryption) {
    for (SlotParameters row : kSlotParameters) {
        row.response_bits = 39;
        EXPECT_FALSE(slot_noise::response_prime_is_large_enough(row));
    }
}

TEST(SlotNoise, ASmallerModulusHasNoRoomForTheFlooding) {
    for (SlotParameters row : kSlotParameters) {
        EXPECT_TRUE(slot_noise::has_room(row));
        row.all_primes[0] /= 2;
        EXPECT_FALSE(slot_noise::decrypts(row));
    }
}

TEST(SlotNoise, ThePlaintextModulusStaysBelowItsBits) {
    SlotParameters row = kSlotParameters[0];
    row.plain_modulus = (1u << 24) + 1;
    EXPECT_FALSE(slot_noise::flooding_hides(row));
}

}  // namespace
}  // namespace flash::scheme
