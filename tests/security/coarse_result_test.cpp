// Results that tell fewer bits than the model was compiled for: the same network, in coarser steps.
#include "model/coarse_result.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "support/private_run.h"
#include "support/random_model.h"

namespace flash::protocol {
namespace {

model::Model some_model() {
    flash::testing::RandomModelOptions options;
    options.slots = {8192, 2};
    options.plain_bits = 24;
    options.share_bits = 9;
    return flash::testing::random_model(4, options);
}

TEST(CoarseResult, IsTheSameNetworkInCoarserSteps) {
    const auto input = flash::testing::random_input(some_model().architecture, 2);
    const flash::testing::SourcedModel fine(some_model());
    const auto exact = flash::testing::run_privately(fine, input).client;
    for (const int bits : {16, 12, 8, 6}) {
        SCOPED_TRACE(bits);
        model::OwnedLayers source(some_model());
        model::CoarseResult coarse(source, bits);
        const PreparedModel served(coarse);
        EXPECT_EQ(served.architecture().layers.back().share_bits, bits);
        EXPECT_EQ(served.secret_digest(), fine.secret_digest());
        EXPECT_EQ(served.fingerprint() == fine.fingerprint(), bits == 16);
        const ClientResult told = flash::testing::run_without_audit(served, input, 0, 0);
        ASSERT_EQ(told.logits.size(), exact.logits.size());
        const double step = served.architecture().output_scale;
        EXPECT_EQ(step, std::ldexp(fine.architecture().output_scale, 16 - bits));
        for (std::size_t i = 0; i < told.x.size(); ++i) {
            EXPECT_LT(std::abs(told.x[i]), 1 << (bits - 2));
            // A step, the noise of one result, and the rounding of inner values, which differs from run to run.
            EXPECT_LE(std::abs(told.logits[i] - exact.logits[i]), step + 600 * fine.architecture().output_scale);
        }
    }
}

TEST(CoarseResult, BitsAreInRange) {
    model::OwnedLayers source(some_model());
    for (const int bits : {0, 5, 17}) EXPECT_THROW(model::CoarseResult(source, bits), Error) << bits;
}

}  // namespace
}  // namespace flash::protocol
