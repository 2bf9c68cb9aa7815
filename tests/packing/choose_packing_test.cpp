// The choice of packings and rings by bytes and noise.
#include "packing/choose_packing.h"

#include <gtest/gtest.h>

#include "packing/group_packings.h"
#include "packing/upload_bits.h"
#include "support/random_model.h"

namespace flash::packing {
namespace {

std::size_t small_groups(const model::Architecture& architecture) {
    std::size_t count = 0;
    for (const auto& group : layer_groups(architecture)) count += choice_of(architecture, group).degree == 1024;
    return count;
}

/// The bytes of all uploads and results.
std::uint64_t bytes_of(const model::Architecture& architecture) {
    std::uint64_t sum = 0;
    for (const auto& group : layer_groups(architecture))
        sum += packed_as(architecture, group, choice_of(architecture, group)).bytes();
    return sum;
}

model::Model random_model(std::uint64_t seed) {
    flash::testing::RandomModelOptions options;
    options.mixed_rings = false;
    options.share_bits = 9;
    return flash::testing::random_model(seed, options);
}

TEST(ChoosePacking, IsTheOneThatSendsTheLeastWhereTheNoiseFits) {
    std::size_t small = 0, large = 0;
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        model::Model both = random_model(seed), one = both;
        choose_packing(both.architecture, both.weights);
        choose_packing(one.architecture, one.weights, false);
        model::validate(both);
        const Energies energies = weight_energies(both.architecture, both.weights);
        EXPECT_EQ(small_groups(one.architecture), 0u);
        for (const model::Model* model : {&both, &one})
            for (const auto& group : layer_groups(model->architecture)) {
                const model::PackingChoice choice = choice_of(model->architecture, group);
                if (choice.channels_per_input == 0)
                    continue;  // fits nowhere: these weights are drawn without a look at the noise
                EXPECT_TRUE(noise_fits(model->architecture, energies, group, choice));
                for (std::size_t layer : group) {
                    EXPECT_EQ(model->architecture.layers[layer].packing, choice) << "all members have the choice";
                    EXPECT_LE(model->weights.layers[layer].noise_bits,
                              31 - model->architecture.layers[layer].share_bits);
                }
            }
        const std::size_t count = small_groups(both.architecture);
        small += count;
        large += layer_groups(both.architecture).size() - count;
        EXPECT_LE(bytes_of(both.architecture), bytes_of(one.architecture)) << "seed " << seed;
    }
    EXPECT_GT(small, 20u);
    EXPECT_GT(large, 20u);
}

TEST(ChoosePacking, WhatIsNamedStays) {
    model::Model model = random_model(1);
    for (model::Layer& layer : model.architecture.layers) layer.packing.degree = 2048;
    model.architecture.layers[0].packing.channels_per_input = 1;
    choose_packing(model.architecture, model.weights);
    EXPECT_EQ(small_groups(model.architecture), 0u);
    EXPECT_EQ(layer_grids(model.architecture)[0].channels_per_input, 1);
}

TEST(ChoosePacking, FewerResultsInAPolynomialWhereTheirNoiseIsTooMuch) {
    // A result layer with shares of 16 bits on one pixel: hundreds of results fit in a polynomial, but not the noise of
    // two.
    model::Model model = flash::testing::single_convolution({64, 1, 1}, 8, {1, 1, 1, 1, 0, 0, 0, 0}, 3);
    model::LayerWeights& last = model.weights.layers[1];
    last.terms[0].multiplier = 3;  // two results of 6.5e5 each: one fits, both do not
    last.terms[0].weights.assign(last.terms[0].weights.size(), 95);
    const Energies energies = weight_energies(model.architecture, model.weights);
    const Grid standard = layer_grids(model.architecture)[1];
    ASSERT_GT(standard.channels_per_output, 1);
    ASSERT_FALSE(noise_fits(model.architecture, energies, {1}, {0, 2048}));
    choose_packing(model.architecture, model.weights);
    EXPECT_LT(layer_grids(model.architecture)[1].channels_per_output, standard.channels_per_output);
    EXPECT_TRUE(noise_fits(model.architecture, energies, {1}, choice_of(model.architecture, {1})));
}

}  // namespace
}  // namespace flash::packing
