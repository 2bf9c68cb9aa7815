#include "model/architecture.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "base/error.h"
#include "sample_model.h"

namespace flash::model {
namespace {

TEST(Window, OutputExtents) {
    EXPECT_EQ((Window{3, 3, 1, 1, 1, 1, 1, 1}).out_height(32), 32);
    EXPECT_EQ((Window{3, 5, 2, 3, 1, 0, 0, 1}).out_height(7), 3);
    EXPECT_EQ((Window{3, 5, 2, 3, 1, 0, 0, 1}).out_width(7), 2);
    EXPECT_LT((Window{5, 5}).out_height(4), 1);
}

TEST(Validate, AcceptsEveryRing) {
    Architecture architecture = testing::sample_model().architecture;
    for (int degree : {0, 1024, 2048}) {
        architecture.layers[1].packing.degree = degree;
        EXPECT_NO_THROW(validate(architecture));
    }
}

TEST(Validate, AcceptsTheSample) { EXPECT_NO_THROW(validate(testing::sample_model())); }

TEST(Validate, RefusesEveryBrokenField) {
    const std::vector<std::pair<const char*, std::function<void(Architecture&)>>> breaks = {
        {"plain bits", [](auto& a) { a.plain_bits = 29; }},
        {"plain bits 0", [](auto& a) { a.plain_bits = 0; }},
        {"plain bits of a layer", [](auto& a) { a.layers[1].plain_bits = 19; }},
        {"plain bits of the result", [](auto& a) { a.layers.back().plain_bits = 25; }},
        {"slot degree", [](auto& a) { a.slots.degree = 2048; }},
        {"no moduli", [](auto& a) { a.slots.moduli = 0; }},
        {"many moduli", [](auto& a) { a.slots.moduli = 8; }},
        {"too few primes of these bits",
         [](auto& a) {
             a.slots = {16384, 3};
             a.layers[0].plain_bits = 20;
         }},
        {"input channels", [](auto& a) { a.input.channels = -1; }},
        {"huge input",
         [](auto& a) {
             a.input = {65536, 4096, 4096};
         }},
        {"input scale", [](auto& a) { a.input_scale = std::numeric_limits<double>::quiet_NaN(); }},
        {"input scale 0", [](auto& a) { a.input_scale = 0; }},
        {"input limit", [](auto& a) { a.input_limit = 1 << 30; }},
        {"output scale", [](auto& a) { a.output_scale = std::numeric_limits<double>::infinity(); }},
        {"classes", [](auto& a) { a.classes.pop_back(); }},
        {"mean", [](auto& a) { a.preprocessing.mean.push_back(0); }},
        {"std", [](auto& a) { a.preprocessing.std[0] = 0; }},
        {"crop", [](auto& a) { a.preprocessing.crop_height = 7; }},
        {"no layers", [](auto& a) { a.layers.clear(); }},
        {"many layers", [](auto& a) { a.layers.resize(kMaxLayers + 1); }},
        {"no terms", [](auto& a) { a.layers[1].terms.clear(); }},
        {"many terms", [](auto& a) { a.layers[1].terms.assign(kMaxTerms + 1, a.layers[1].terms[0]); }},
        {"source ahead", [](auto& a) { a.layers[1].terms[0].source = 2; }},
        {"source negative", [](auto& a) { a.layers[1].terms[0].source = -1; }},
        {"share bits", [](auto& a) { a.layers[0].share_bits = 17; }},
        {"degree", [](auto& a) { a.layers[0].packing.degree = 512; }},
        {"degree negative", [](auto& a) { a.layers[1].packing.degree = -1024; }},
        {"share bits low", [](auto& a) { a.layers[0].share_bits = 5; }},
        {"last activated", [](auto& a) { a.layers.back().activation = true; }},
        {"first result", [](auto& a) { a.layers[0].activation = false; }},
        {"kernel 0", [](auto& a) { a.layers[0].terms[0].window.kernel_h = 0; }},
        {"stride 0", [](auto& a) { a.layers[0].terms[0].window.stride_w = 0; }},
        {"dilation 0", [](auto& a) { a.layers[0].terms[0].window.dilation_h = 0; }},
        {"dilation beyond the map", [](auto& a) { a.layers[0].terms[0].window.dilation_w = 4; }},
        {"huge dilation", [](auto& a) { a.layers[0].terms[0].window.dilation_w = std::numeric_limits<int>::max(); }},
        {"dilated pooling", [](auto& a) { a.layers[2].terms[1].pool->dilation_h = 2; }},
        {"level convolution", [](auto& a) { a.layers[0].terms[0].window.level = true; }},
        {"level pooling without pixels",
         [](auto& a) {
             *a.layers[2].terms[1].pool = {2, 2, 2, 2, 0, 0, 0, 1};
             a.layers[2].terms[1].pool->level = true;
             a.layers[2].terms[1].pool->pad_top = 2;
             a.layers[2].terms[1].pool->kernel_h = 2;
             a.layers[2].terms[1].pool->pad_bottom = 0;
         }},
        {"no groups", [](auto& a) { a.layers[1].terms[0].groups = 0; }},
        {"groups that do not divide", [](auto& a) { a.layers[1].terms[0].groups = 3; }},
        {"groups of a scale", [](auto& a) { a.layers[2].terms[1].groups = 2; }},
        {"padding", [](auto& a) { a.layers[0].terms[0].window.pad_top = -1; }},
        {"huge padding", [](auto& a) { a.layers[0].terms[0].window.pad_top = std::numeric_limits<int>::max(); }},
        {"output shape", [](auto& a) { a.layers[0].output.width = 6; }},
        {"scale channels", [](auto& a) { a.layers[2].output.channels = 5; }},
        {"scale window", [](auto& a) { a.layers[2].terms[1].window.kernel_h = 2; }},
        {"pool too large", [](auto& a) { a.layers[2].terms[1].pool->kernel_h = 100; }},
        {"pool stride", [](auto& a) { a.layers[2].terms[1].pool->stride_h = 0; }},
        {"packing", [](auto& a) { a.layers[2].packing.channels_per_input = -1; }},
        {"long name", [](auto& a) { a.layers[0].name.assign(5000, 'x'); }},
    };
    for (const auto& [what, apply] : breaks) {
        Architecture architecture = testing::sample_model().architecture;
        apply(architecture);
        try {
            validate(architecture);
            ADD_FAILURE() << what;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::kProtocol) << what;
        }
    }
}

TEST(Validate, SaysWhichModuliThereAreNot) {
    Architecture architecture = testing::sample_model().architecture;
    architecture.slots = {16384, 6};
    architecture.plain_bits = 21;
    try {
        validate(architecture);
        ADD_FAILURE();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(),
                     "model architecture: the plaintext moduli: there are no 6 suitable primes of 21 bits for slots of "
                     "degree 16384");
    }
}

TEST(Moduli, AreThoseOfTheChannelsGroup) {
    Architecture a = testing::sample_model(1, {8192, 3}).architecture;
    a.layers[1].plain_bits = 22;
    EXPECT_NO_THROW(validate(a));
    const auto wide = plain_moduli({8192, 3}, 25), narrow = plain_moduli({8192, 3}, 22);
    EXPECT_EQ(a.channel_moduli(0), (std::vector<std::uint32_t>{wide[0], wide[1]}));
    EXPECT_EQ(a.channel_moduli(1), (std::vector<std::uint32_t>{wide[1], wide[2], wide[0], wide[1]}));
    EXPECT_EQ(a.channel_moduli(2), (std::vector<std::uint32_t>{narrow[2], narrow[0], narrow[1], narrow[2]}));
    for (int value = 0; value < 4; ++value)
        for (int c = 0; c < a.value_shape(value).channels; ++c)
            EXPECT_EQ(a.plain_modulus(value, c), a.channel_moduli(value)[static_cast<std::size_t>(c)]);
    // The third layer reads values of both widths, the narrow one first.
    EXPECT_EQ(a.layer_moduli(2),
              (std::vector<std::uint32_t>{narrow[0], narrow[1], narrow[2], wide[0], wide[1], wide[2]}));
    EXPECT_EQ(a.bias_modulus(2), narrow[0]);
    EXPECT_EQ(a.bias_modulus(1), wide[0]);
}

/// Layers that read these values.
std::vector<int> depths_of(const std::vector<std::vector<int>>& sources) {
    Architecture a;
    for (const std::vector<int>& values : sources) {
        Layer& layer = a.layers.emplace_back();
        for (int value : values) layer.terms.emplace_back().source = value;
    }
    return value_depths(a);
}

TEST(Depth, IsOneMoreThanThatOfTheDeepestSource) {
    EXPECT_EQ(depths_of({{0}, {1}, {2}}), (std::vector<int>{0, 1, 2, 3}));
    // Two residual blocks: the shortcut is shallower than what it is added to.
    EXPECT_EQ(depths_of({{0}, {1}, {2, 1}, {3}, {4, 3}, {5}}), (std::vector<int>{0, 1, 2, 3, 4, 5, 6}));
    // Branches side by side, whose concatenation is a sum of what reads its parts.
    EXPECT_EQ(depths_of({{0}, {1}, {1}, {3}, {2, 4, 1}}), (std::vector<int>{0, 1, 2, 2, 3, 4}));
    // Branches that read the picture itself, and a dense block, which reads all that is before it.
    EXPECT_EQ(depths_of({{0}, {0}, {2, 1, 0}}), (std::vector<int>{0, 1, 1, 2}));
    EXPECT_EQ(depths_of({{0}, {0, 1}, {0, 1, 2}, {0, 1, 2, 3}}), (std::vector<int>{0, 1, 2, 3, 4}));
    // Pooling is no layer of its own: the sample pools on shortcuts and in front of its result.
    EXPECT_EQ(value_depths(testing::sample_model().architecture), (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(Validate, RefusesWeightsThatDoNotFit) {
    const std::vector<std::pair<const char*, std::function<void(SecretWeights&)>>> breaks = {
        {"salt", [](auto& w) { w.salt.pop_back(); }},
        {"layers", [](auto& w) { w.layers.pop_back(); }},
        {"terms", [](auto& w) { w.layers[2].terms.pop_back(); }},
        {"weights", [](auto& w) { w.layers[0].terms[0].weights.pop_back(); }},
        {"-128", [](auto& w) { w.layers[0].terms[0].weights[3] = -128; }},
        {"multiplier", [](auto& w) { w.layers[0].terms[0].multiplier = 0; }},
        {"multiplier large", [](auto& w) { w.layers[0].terms[0].multiplier = kMaxMultiplier + 1; }},
        {"scale", [](auto& w) { w.layers[2].terms[1].scale[0] = -kMaxMultiplier - 1; }},
        {"scale count", [](auto& w) { w.layers[2].terms[1].scale.pop_back(); }},
        {"bias", [](auto& w) { w.layers[0].bias[0] = 1 << 30; }},
        {"bias count", [](auto& w) { w.layers[0].bias.pop_back(); }},
        {"kappa", [](auto& w) { w.layers[0].kappa.push_back(1); }},
        {"kappa of the result", [](auto& w) { w.layers[3].kappa.push_back(1); }},
        {"offset", [](auto& w) { w.layers[0].offset.clear(); }},
    };
    for (const auto& [what, apply] : breaks) {
        Model model = testing::sample_model();
        apply(model.weights);
        try {
            validate(model);
            ADD_FAILURE() << what;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::kFile) << what;
        }
    }
}

}  // namespace
}  // namespace flash::model
