#include "model/twin.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>

#include "base/error.h"
#include "model/arithmetic.h"
#include "model/file.h"
#include "sample_model.h"

namespace flash::model {
namespace {

using Values = std::vector<std::vector<std::int64_t>>;

// The definition in model.h, one sum at a time.
Accumulators naive_accumulate(const Model& model, std::size_t index, const Values& values) {
    const Architecture& a = model.architecture;
    const Layer& layer = a.layers[index];
    const LayerWeights& w = model.weights.layers[index];
    Accumulators acc{a.layer_moduli(static_cast<int>(index)), {}};
    acc.sums.resize(acc.moduli.size());
    for (int o = 0; o < layer.output.channels; ++o)
        for (int y = 0; y < layer.output.height; ++y)
            for (int x = 0; x < layer.output.width; ++x) {
                std::vector<std::int64_t> sums(acc.moduli.size());
                sums[0] = w.bias[static_cast<std::size_t>(o)];
                for (std::size_t t = 0; t < layer.terms.size(); ++t) {
                    const Term& term = layer.terms[t];
                    const Shape& shape = a.value_shape(term.source);
                    const Shape pooled = a.pooled_shape(term);
                    const auto source = [&](int c, int sy, int sx) -> std::int64_t {
                        if (sy < 0 || sx < 0 || sy >= shape.height || sx >= shape.width) return 0;
                        return values[static_cast<std::size_t>(term.source)]
                                     [static_cast<std::size_t>((c * shape.height + sy) * shape.width + sx)];
                    };
                    const auto operand = [&](int c, int py, int px) -> std::int64_t {
                        if (py < 0 || px < 0 || py >= pooled.height || px >= pooled.width) return 0;
                        if (!term.pool) return source(c, py, px);
                        std::int64_t pool = 0;
                        for (int ky = 0; ky < term.pool->kernel_h; ++ky)
                            for (int kx = 0; kx < term.pool->kernel_w; ++kx)
                                pool += source(c, py * term.pool->stride_h - term.pool->pad_top + ky,
                                               px * term.pool->stride_w - term.pool->pad_left + kx);
                        return pool;
                    };
                    const auto sum_of = [&](int c) -> std::int64_t& {
                        return sums[static_cast<std::size_t>(
                            std::ranges::find(acc.moduli, a.plain_modulus(term.source, c)) - acc.moduli.begin())];
                    };
                    if (term.kind == TermKind::kScale) {
                        sum_of(o) += w.terms[t].scale[static_cast<std::size_t>(o)] * operand(o, y, x);
                        continue;
                    }
                    const int inputs = pooled.channels / term.groups, group = o / (layer.output.channels / term.groups);
                    std::size_t k = static_cast<std::size_t>(o * inputs * term.window.kernel_h * term.window.kernel_w);
                    for (int c = group * inputs; c < (group + 1) * inputs; ++c)
                        for (int ky = 0; ky < term.window.kernel_h; ++ky)
                            for (int kx = 0; kx < term.window.kernel_w; ++kx, ++k)
                                sum_of(c) +=
                                    w.terms[t].multiplier * w.terms[t].weights[k] *
                                    operand(
                                        c, y * term.window.stride_h - term.window.pad_top + ky * term.window.dilation_h,
                                        x * term.window.stride_w - term.window.pad_left + kx * term.window.dilation_w);
                }
                for (std::size_t i = 0; i < sums.size(); ++i) acc.sums[i].push_back(sums[i]);
            }
    return acc;
}

/// 2^m times the sum of acc_i / T_i, to some 2^-50.
long double exact_x(const Accumulators& acc, std::size_t at, int share_bits) {
    long double sum = 0;
    for (std::size_t i = 0; i < acc.moduli.size(); ++i)
        sum += static_cast<long double>(acc.sums[i][at]) / static_cast<long double>(acc.moduli[i]);
    return std::ldexp(sum, share_bits);
}

void expect_equal(const Accumulators& left, const Accumulators& right) {
    EXPECT_EQ(left.moduli, right.moduli);
    EXPECT_EQ(left.sums, right.sums);
}

void check_definition(const Model& model, std::uint64_t seed) {
    const std::vector<std::int32_t> input = testing::sample_input(model, seed);
    const Twin twin(model);
    const TwinResult result = twin.run(input, {}, true);
    Values values{{input.begin(), input.end()}};
    for (std::size_t i = 0; i < model.architecture.layers.size(); ++i) {
        SCOPED_TRACE("layer " + std::to_string(i));
        const TwinLayer& layer = result.layers[i];
        expect_equal(layer.acc, naive_accumulate(model, i, values));
        expect_equal(layer.acc, twin.accumulate(static_cast<int>(i), values));
        double largest = 0;
        for (std::size_t p = 0; p < layer.acc.size(); ++p) {
            const long double x = exact_x(layer.acc, p, model.architecture.layers[i].share_bits);
            EXPECT_EQ(layer.x[p], std::floor(x + 0.5L));
            largest = std::max(largest, std::abs(layer.acc.use(p)));
        }
        EXPECT_EQ(result.use[i], largest);
        values.push_back(layer.y);
    }
    EXPECT_EQ(result.overflows, 0);
    EXPECT_EQ(result.output, result.layers.back().x);
    EXPECT_EQ(result.logits, dequantise_output(model.architecture, result.output));
    EXPECT_EQ(twin.run(input).output, result.output);
}

TEST(Twin, AgreesWithTheDefinition) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) check_definition(testing::sample_model(seed), seed);
}

// Each accumulator counts the channels of its modulus, and X is the rounding of the sum of all.
TEST(Twin, AgreesWithTheDefinitionForEveryNumberOfModuli) {
    for (const SlotChoice& slots :
         {SlotChoice{4096, 2}, SlotChoice{8192, 2}, SlotChoice{8192, 3}, SlotChoice{16384, 6}, SlotChoice{16384, 7}})
        for (std::uint64_t seed = 1; seed <= 3; ++seed) {
            SCOPED_TRACE(std::to_string(slots.degree) + ", " + std::to_string(slots.moduli));
            Model model = testing::sample_model(seed, slots);
            check_definition(model, seed);
            model.architecture.layers[0].plain_bits = 26;
            model.architecture.layers[1].plain_bits = 27;
            check_definition(model, seed);
        }
}

TEST(Twin, YMustFitTheModulusOfItsChannel) {
    Model model = testing::sample_model(1, {8192, 3});
    model.architecture.layers[0].plain_bits = 23;
    const std::vector<std::int32_t> input = testing::sample_input(model, 1);
    const TwinResult before = Twin(model).run(input, {}, true);
    ASSERT_EQ(before.overflows, 0);
    // kappa and offset that bring the largest Y of one channel to just below half of its modulus, then beyond.
    const auto moduli = model.architecture.channel_moduli(1);
    for (std::size_t channel = 0; channel < moduli.size(); ++channel)
        for (const bool beyond : {false, true}) {
            std::int64_t x = 0;
            for (std::size_t p = channel * 30; p < (channel + 1) * 30; ++p)
                if (std::abs(before.layers[0].x[p]) > std::abs(x)) x = before.layers[0].x[p];
            ASSERT_NE(x, 0);
            const std::int64_t half = moduli[channel] / 2, kappa = (half - x * x) / x;
            Model moved = model;
            moved.weights.layers[0].kappa[channel] = static_cast<std::int32_t>(kappa);
            moved.weights.layers[0].offset[channel] = static_cast<std::int32_t>(half - activate(x, kappa, 0) + beyond);
            const TwinResult run = Twin(moved).run(input, {}, true);
            EXPECT_EQ(run.layers[0].x, before.layers[0].x);
            std::int64_t wrong = 0;
            for (std::size_t p = channel * 30; p < (channel + 1) * 30; ++p)
                wrong += 2 * std::abs(run.layers[0].y[p]) >= moduli[channel];
            EXPECT_EQ(wrong > 0, beyond);
            EXPECT_GE(run.overflows, wrong);
        }
}

void check_stochastic(const Model& model) {
    const std::vector<std::int32_t> input = testing::sample_input(model, 9);
    const Twin twin(model);
    const std::size_t size = twin.run(input, {}, true).layers[0].x.size();
    std::vector<double> mean(size);
    constexpr int kRuns = 400;
    for (int run = 0; run < kRuns; ++run) {
        const Rounding rounding{Rounding::Mode::kStochastic, static_cast<std::uint64_t>(run)};
        const TwinLayer layer = twin.run(input, rounding, true).layers[0];
        EXPECT_EQ(layer.x, twin.run(input, rounding, true).layers[0].x);
        for (std::size_t p = 0; p < size; ++p) {
            const double exact = static_cast<double>(exact_x(layer.acc, p, 9));
            EXPECT_LT(std::abs(layer.x[p] - exact), 1.0);
            mean[p] += (layer.x[p] - exact) / kRuns;
        }
    }
    // Standard deviation of a mean: at most 0.5 / sqrt(400) = 0.025; of the mean of all: far less.
    double all = 0;
    for (double m : mean) {
        EXPECT_LT(std::abs(m), 0.15);
        all += m / static_cast<double>(size);
    }
    EXPECT_LT(std::abs(all), 0.01);
}

TEST(Twin, StochasticRoundingIsUnbiasedFloorOrCeiling) {
    check_stochastic(testing::sample_model());
    check_stochastic(testing::sample_model(1, {8192, 3}));
}

TEST(Twin, CountsOverflowsAndGoesOnDeterministically) {
    Model model = testing::sample_model();
    for (TermWeights& term : model.weights.layers[1].terms) term.multiplier = kMaxMultiplier;
    const Twin twin(model);
    const std::vector<std::int32_t> input = testing::sample_input(model, 2);
    const TwinResult result = twin.run(input, {}, true);
    EXPECT_GT(result.overflows, 0);
    EXPECT_GT(result.use[1], 1.0);
    EXPECT_EQ(twin.run(input).output, result.output);
    const std::int64_t guard = 1 << 7;
    for (std::int32_t x : result.layers[1].x) {
        EXPECT_GE(x, -guard);
        EXPECT_LT(x, 3 * guard);
    }
}

TEST(Twin, RefusesAWrongInputSize) {
    const Model model = testing::sample_model();
    const Twin twin(model);
    EXPECT_THROW(twin.run(std::vector<std::int32_t>(3)), Error);
    EXPECT_THROW(twin.accumulate(0, {}), Error);
    EXPECT_THROW(twin.accumulate(9, {}), Error);
}

/// Every way of summing a convolution: dense, in groups of some channels, depthwise.
TEST(Twin, GroupsAndDilationAgreeWithTheDefinition) {
    for (const int groups : {1, 2, 4, 12})
        for (const int dilation : {1, 2, 3}) {
            Model model = testing::sample_model(7);
            Architecture& a = model.architecture;
            a.input = {12, 9, 8};
            a.preprocessing = {};
            const Term term{0, {}, TermKind::kConvolution, {3, 2, 2, 1, 3, 1, 2, 0, dilation, dilation + 1}, groups};
            a.layers = {{"grouped", {term}, {24, term.window.out_height(9), term.window.out_width(8)}, 9, true, {}},
                        a.layers.back()};
            a.layers[1].terms = {
                {1, {}, TermKind::kConvolution, {a.layers[0].output.height, a.layers[0].output.width}}};
            std::mt19937_64 random(static_cast<std::uint64_t>(groups + 100 * dilation));
            const auto draw = [&](std::int64_t count) {
                std::vector<std::int8_t> weights(static_cast<std::size_t>(count));
                for (std::int8_t& w : weights) w = static_cast<std::int8_t>(static_cast<int>(random() % 7) - 3);
                return weights;
            };
            model.weights.layers = {
                {{{draw(24 * a.fan_in(term)), 2, {}}},
                 std::vector<std::int32_t>(24, 5),
                 std::vector<std::int32_t>(24, 1),
                 std::vector<std::int32_t>(24, 0),
                 {},
                 {}},
                {{{draw(3 * a.fan_in(a.layers[1].terms[0])), 1, {}}}, std::vector<std::int32_t>(3, 0), {}, {}, {}, {}}};
            validate(model);
            const std::vector<std::int32_t> input = testing::sample_input(model, 3);
            SCOPED_TRACE(std::to_string(groups) + " groups, dilation " + std::to_string(dilation));
            for (const SlotChoice& slots :
                 {SlotChoice{}, SlotChoice{8192, 2}, SlotChoice{8192, 3}, SlotChoice{16384, 7}}) {
                model.architecture.slots = slots;
                expect_equal(Twin(model).run(input, {}, true).layers[0].acc,
                             naive_accumulate(model, 0, {{input.begin(), input.end()}}));
            }
            EXPECT_EQ(serialize(parse(serialize(model))), serialize(model));
            EXPECT_EQ(parse(serialize(model)).architecture.layers[0].terms[0].groups, groups);
            EXPECT_EQ(parse(serialize(model)).architecture.layers[0].terms[0].window, term.window);
        }
}

// A CIFAR-sized network; prints the speed, and fails only if it is far from useful.
TEST(Twin, Speed) {
    Model model;
    Architecture& a = model.architecture;
    a.name = "speed";
    a.plain_bits = 28;
    a.input = {3, 32, 32};
    a.input_scale = 1;
    a.input_limit = 128;
    a.output_scale = 1;
    const Window same{3, 3, 1, 1, 1, 1, 1, 1}, down{3, 3, 2, 2, 1, 1, 1, 1};
    a.layers = {{"a", {{0, {}, TermKind::kConvolution, down}}, {64, 16, 16}, 9, true, {}},
                {"b", {{1, {}, TermKind::kConvolution, same}}, {64, 16, 16}, 9, true, {}},
                {"c", {{2, {}, TermKind::kConvolution, down}}, {128, 8, 8}, 9, true, {}},
                {"d", {{3, {}, TermKind::kConvolution, same}}, {128, 8, 8}, 9, true, {}},
                {"e", {{4, {}, TermKind::kConvolution, down}}, {256, 4, 4}, 9, true, {}},
                {"f", {{5, Window{4, 4}, TermKind::kConvolution, {}}}, {10, 1, 1}, 16, false, {}}};
    double products = 0;
    for (const Layer& layer : a.layers) {
        LayerWeights& w = model.weights.layers.emplace_back();
        const auto channels = static_cast<std::size_t>(layer.output.channels);
        const auto depth = static_cast<std::size_t>(a.pooled_shape(layer.terms[0]).channels *
                                                    layer.terms[0].window.kernel_h * layer.terms[0].window.kernel_w);
        w.terms.push_back({std::vector<std::int8_t>(channels * depth, 1), 1, {}});
        w.bias.assign(channels, 0);
        if (layer.activation) w.kappa = w.offset = w.bias;
        products += static_cast<double>(depth) * static_cast<double>(layer.output.size());
    }
    model.weights.salt.assign(32, 0);
    const std::vector<std::int32_t> input(3 * 32 * 32, 1);
    for (const SlotChoice& slots : {SlotChoice{}, SlotChoice{8192, 3}}) {
        a.slots = slots;
        const Twin twin(model);
        const auto start = std::chrono::steady_clock::now();
        constexpr int kRuns = 10;
        for (int i = 0; i < kRuns; ++i) twin.run(input);
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        printf("%.1f M multiply-adds per image, %d moduli: %.0f images per minute on one core\n", products / 1e6,
               slots.moduli, 60 * kRuns / seconds);
        EXPECT_GT(60 * kRuns / seconds, 30);
    }
}

}  // namespace
}  // namespace flash::model
