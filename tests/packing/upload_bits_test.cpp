// The bits of uploads that the noise bound asks for.
#include "packing/upload_bits.h"

#include <gtest/gtest.h>

#include "scheme/direct_noise.h"

namespace flash::packing {
namespace {

TEST(UploadBits, AreTheFewestWithinTheBound) {
    for (const scheme::DirectRing& ring : scheme::kDirectRings)
        for (double energy : {1.0, 1e3, 1e5, 3e6}) {
            const int bits = least_upload_bits(energy, 9, ring);
            EXPECT_LE(scheme::phase_noise(energy, bits, 9, ring), scheme::phase_noise_limit(9));
            if (bits > model::kMinUploadBits) {
                EXPECT_GT(scheme::phase_noise(energy, bits - 1, 9, ring), scheme::phase_noise_limit(9));
            }
        }
}

TEST(UploadBits, AreNoMoreThanQHas) {
    const scheme::DirectRing& small = scheme::kDirectRings[1];
    EXPECT_EQ(least_upload_bits(1e12, 12, small), 26);
    for (double energy : {1.0, 1e3, 1e5, 3e6})
        EXPECT_LE(least_upload_bits(energy, 9), least_upload_bits(energy, 9, small));
}

}  // namespace
}  // namespace flash::packing
