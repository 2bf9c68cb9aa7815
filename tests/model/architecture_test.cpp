#include "model/architecture.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "base/error.h"
#include "sample_model.h"

namespace flash::model {
namespace {

bool is_prime(std::uint32_t value) {
    for (std::uint32_t d = 2; std::uint64_t{d} * d <= value; ++d)
        if (value % d == 0) return false;
    return value > 1;
}

TEST(PlainModuli, AreTheLargestSuitablePrimes) {
    for (std::size_t i = 0; i < kPlainModuli.size(); ++i) {
        const std::uint32_t top = std::uint32_t{1} << (kMinPlainBits + i);
        EXPECT_TRUE(is_prime(kPlainModuli[i]));
        EXPECT_EQ(kPlainModuli[i] % 8192, 1u);
        EXPECT_LT(kPlainModuli[i], top);
        for (std::uint32_t other = kPlainModuli[i] + 8192; other < top; other += 8192)
            EXPECT_FALSE(is_prime(other)) << other;
    }
}

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
        {"modulus", [](auto& a) { a.plain_modulus += 8192; }},
        {"modulus 0", [](auto& a) { a.plain_modulus = 0; }},
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
