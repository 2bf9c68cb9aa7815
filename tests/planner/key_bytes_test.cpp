// The bytes of keys for each depth, against the plans of both kinds.
#include "planner/key_bytes.h"

#include <gtest/gtest.h>

#include "packing/choose_packing.h"
#include "protocol/cost.h"
#include "support/random_model.h"

namespace flash::planner {
namespace {

model::Model random(std::uint64_t seed, bool trust_server) {
    flash::testing::RandomModelOptions options;
    options.slots = {8192, 2};
    options.share_bits = 9;
    options.trust_server = trust_server;
    options.mixed_rings = false;
    model::Model model = flash::testing::random_model(seed, options);
    packing::choose_packing(model.architecture, model.weights);
    return model;
}

std::uint64_t bytes_of(const model::Model& model) {
    const protocol::InferenceCost cost = protocol::cost_of(model.architecture, packing::make_plan(model.architecture));
    return cost.up() + cost.down();
}

bool in_small_ring(const model::Model& model) {
    return packing::make_plan(model.architecture).degrees().back() != static_cast<std::size_t>(model::kDefaultDegree);
}

TEST(KeyBytes, AreThoseOfBothKindsOfModels) {
    int dearer = 0, compared = 0;
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        const model::Model levelled = random(seed, false), trusting = random(seed, true);
        const KeyBytes bytes = key_bytes(levelled);
        EXPECT_EQ(bytes.levelled, bytes_of(levelled));
        if (in_small_ring(levelled) != in_small_ring(trusting)) continue;
        ++compared;
        EXPECT_EQ(bytes.trusting, bytes_of(trusting));
        EXPECT_EQ(key_bytes(trusting).levelled, bytes.levelled) << "seen from the other kind";
        EXPECT_EQ(key_bytes(trusting).trusting, bytes.trusting);
        dearer += bytes.saved() > 0;
    }
    EXPECT_GT(compared, 6);
    EXPECT_GT(dearer, 3);
}

TEST(KeyBytes, ShareIsOfWhatKeysForEachDepthTake) {
    EXPECT_EQ((KeyBytes{1000, 700}).saved(), 300u);
    EXPECT_DOUBLE_EQ((KeyBytes{1000, 700}).share(), 0.3);
    EXPECT_EQ((KeyBytes{700, 1000}).saved(), 0u);
    EXPECT_EQ((KeyBytes{0, 0}).share(), 0);
}

}  // namespace
}  // namespace flash::planner
