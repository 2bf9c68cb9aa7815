// How much of the uploads' noise a layer's weights bring to its results.
#include "packing/weight_energy.h"

#include <gtest/gtest.h>

namespace flash::packing {
namespace {

TEST(WeightEnergy, EveryChannelOfAPolynomialBringsItsOwn) {
    EXPECT_EQ(packed_energy({1, 2, 3, 4, 5}, 1), 5);
    EXPECT_EQ(packed_energy({1, 2, 3, 4, 5}, 2), 7);
    EXPECT_EQ(packed_energy({9, 2, 3, 4, 5}, 2), 11);
    EXPECT_EQ(packed_energy({1, 2, 3, 4, 5}, 8), 15);
}

TEST(WeightEnergy, TermsThatReadTheSameUploadsMultiplyTheSameNoise) {
    model::Layer layer;
    layer.output = {2, 4, 4};
    layer.terms.resize(2);
    layer.terms[0].window = {3, 3, 1, 1, 1, 1, 1, 1};
    layer.terms[1].kind = model::TermKind::kScale;
    model::LayerWeights weights;
    weights.terms.resize(2);
    weights.terms[0].multiplier = 2;
    weights.terms[0].weights.assign(std::size_t{2} * 2 * 9, 1);
    weights.terms[1].scale = {3, 5};
    EXPECT_EQ(channel_energies(layer, weights), (std::vector<double>{2 * (72 + 9), 2 * (72 + 25)}));
    layer.terms[1].source = 1;
    EXPECT_EQ(channel_energies(layer, weights), (std::vector<double>{72 + 9, 72 + 25}));
    layer.terms[1].source = 0;
    layer.terms[1].window = {1, 1, 2, 2};
    EXPECT_EQ(channel_energies(layer, weights), (std::vector<double>{72 + 9, 72 + 25}));
}

}  // namespace
}  // namespace flash::packing
