// Random networks: the folded float network against an independent evaluation of the ONNX graph, and the clear-text
// twin of the compiled model against both.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>

#include "base/error.h"
#include "compiler/compile.h"
#include "compiler/network.h"
#include "model/arithmetic.h"
#include "model/file.h"
#include "model/twin.h"
#include "support/onnx_reference.h"
#include "support/random_network.h"

namespace flash::compiler {
namespace {

constexpr std::uint64_t kNetworks = 40;

testing::RandomNetwork network_of(std::uint64_t seed, testing::Curves curves) {
    testing::RandomNetworkOptions options;
    options.curves = curves;
    return testing::random_network(seed, options);
}

void compare_with_the_graph(testing::Curves curves) {
    for (std::uint64_t seed = 1; seed <= kNetworks; ++seed) {
        SCOPED_TRACE(seed);
        const testing::RandomNetwork random = network_of(seed, curves);
        const ImportedModel imported = import_onnx(random.onnx, "random");
        EXPECT_EQ(imported.input, random.input);
        for (const std::vector<float>& image : random.images(2, seed)) {
            const std::vector<double> expected = testing::evaluate_onnx(random.onnx, image);
            const std::vector<float> got = evaluate_float(imported, image);
            ASSERT_EQ(got.size(), expected.size());
            double scale = 0;
            for (double value : expected) scale = std::max(scale, std::abs(value));
            for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 1e-4 * scale);
        }
    }
}

TEST(RandomNetworks, FoldedNetworkEqualsTheGraph) { compare_with_the_graph(testing::Curves::kSquares); }

TEST(RandomNetworks, FoldedNetworkOfSinesEqualsTheGraph) {
    compare_with_the_graph(testing::Curves::kSines);
    compare_with_the_graph(testing::Curves::kBoth);
}

/// Sum pooling and convolution with these weights of doubles.
std::vector<double> apply(const FloatTerm& term, const model::Shape& shape, std::vector<double> map,
                          const std::vector<double>& weights, int outputs) {
    model::Shape pooled = shape;
    if (term.pool) {
        std::vector<double> ones(
            static_cast<std::size_t>(shape.channels * shape.channels * term.pool->kernel_h * term.pool->kernel_w), 0.0);
        const auto kernel = static_cast<std::size_t>(term.pool->kernel_h * term.pool->kernel_w),
                   channels = static_cast<std::size_t>(shape.channels);
        for (std::size_t c = 0; c < channels; ++c)
            std::fill_n(ones.begin() + static_cast<std::ptrdiff_t>((c * channels + c) * kernel), kernel, 1.0);
        pooled = {shape.channels, term.pool->out_height(shape.height), term.pool->out_width(shape.width)};
        std::vector<double> sums(static_cast<std::size_t>(pooled.size()), 0.0);
        model::Convolution(ones, shape.channels, shape, *term.pool).add_to(map, sums);
        if (term.pool->level) {
            const model::PoolLevels levels = model::pool_levels(shape, *term.pool);
            for (std::size_t i = 0; i < sums.size(); ++i)
                sums[i] *= static_cast<double>(levels.rows[i / levels.columns.size() % levels.rows.size()] *
                                               levels.columns[i % levels.columns.size()]);
        }
        map = std::move(sums);
    }
    const std::size_t plane = static_cast<std::size_t>(term.window.out_height(pooled.height)) *
                              static_cast<std::size_t>(term.window.out_width(pooled.width));
    std::vector<double> out(static_cast<std::size_t>(outputs) * plane, 0.0);
    if (term.kind == model::TermKind::kConvolution) {
        model::Convolution(weights, outputs, pooled, term.window, term.groups).add_to(map, out);
    } else {
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = weights[i / plane] * map[i];
    }
    return out;
}

// Layer by layer, on what the twin itself computed before (so that errors do not accumulate): the accumulator, times
// what its unit is worth, differs from the float layer by no more than the rounding of its integers allows. A weight is
// off by at most g (and int8 saturates nowhere), a scale by 1/2; the bias by 1/2 plus what the rounding of weights
// takes from the mean, which is bounded the same way by the means of the operands, and what these have in excess, at
// most 2/3 of a unit each. And Y is exact: y = a x^2 + b x + c up to the rounding of its offset.
void check_layers_of(const model::SlotChoice& slots, testing::Curves curves = testing::Curves::kSquares) {
    for (std::uint64_t seed = 1; seed <= kNetworks; ++seed) {
        SCOPED_TRACE(seed);
        const testing::RandomNetwork random = network_of(seed, curves);
        const ImportedModel imported = import_onnx(random.onnx, "random");
        CompileOptions options;
        options.plain_bits = 26;
        options.share_bits = 9;
        options.margin = 1;
        options.slots = slots;
        std::optional<CompileResult> compiled;
        try {
            compiled = compile(imported, random.images(20, seed), options);
        } catch (const Error& error) {
            // This m and T need not suit every network, nor these slots every T.
            EXPECT_TRUE(error.kind() == ErrorKind::kRange || error.kind() == ErrorKind::kUnsupported) << error.what();
            continue;
        }
        const model::Model& m = compiled->model;
        const model::Twin twin(m);
        const std::vector<std::int32_t> input = model::quantise_input(m.architecture, random.images(1, seed)[0]);
        const model::TwinResult run = twin.run(input, {}, true);
        std::vector<std::vector<std::int64_t>> values{{input.begin(), input.end()}};
        std::vector<std::vector<double>> scale{
            std::vector<double>(static_cast<std::size_t>(random.input.channels), m.architecture.input_scale)};
        for (std::size_t i = 0; i < run.layers.size(); ++i) {
            const FloatLayer& layer = imported.network->layers[i];
            const model::LayerWeights& weights = m.weights.layers[i];
            const std::size_t plane = run.layers[i].acc.size() / layer.bias.size();
            const double modulus = m.architecture.bias_modulus(static_cast<int>(i));
            const double unit_of_x = modulus / std::ldexp(1.0, m.architecture.layers[i].share_bits);
            std::vector<double> exact(run.layers[i].acc.size()), allowed(exact.size(), 1.0);
            for (std::size_t t = 0; t < layer.terms.size(); ++t) {
                const FloatTerm& term = layer.terms[t];
                const auto source = static_cast<std::size_t>(term.source);
                const model::Shape& shape = imported.network->value_shape(term.source);
                const std::vector<std::uint32_t> moduli = m.architecture.channel_moduli(term.source);
                std::vector<double> y, magnitude, most_excess;
                for (std::size_t k = 0; k < values[source].size(); ++k) {
                    y.push_back(static_cast<double>(values[source][k]) *
                                scale[source][k * scale[source].size() / values[source].size()]);
                    // In units of T_1.
                    const double ratio = modulus / moduli[k * moduli.size() / values[source].size()];
                    magnitude.push_back(std::abs(static_cast<double>(values[source][k])) * ratio);
                    most_excess.push_back(source == 0 ? 0.0 : 2.0 / 3 * ratio);
                }
                const std::vector<double> part = apply(term, shape, y, term.weights, layer.output.channels);
                const double half = term.kind == model::TermKind::kScale ? 0.5 : 1.0 * weights.terms[t].multiplier;
                const std::vector<double> slack = apply(
                    term, shape, magnitude, std::vector<double>(term.weights.size(), half), layer.output.channels);
                double average = 0;  // stands for the bound of the bias correction
                for (double s : slack) average = std::max(average, s);
                std::vector<double> integers;
                for (std::int8_t w : weights.terms[t].weights)
                    integers.push_back(std::abs(int{w}) * static_cast<double>(weights.terms[t].multiplier));
                for (std::int32_t w : weights.terms[t].scale) integers.push_back(std::abs(w));
                const std::vector<double> excess = apply(term, shape, most_excess, integers, layer.output.channels);
                average += *std::ranges::max_element(excess);
                for (std::size_t p = 0; p < exact.size(); ++p) {
                    exact[p] += part[p];
                    allowed[p] += slack[p] + average;
                }
            }
            for (std::size_t p = 0; p < exact.size(); ++p) {
                const std::size_t o = p / plane;
                const Quadratic* poly = layer.quadratic();
                const Sine* sine = layer.sine();
                // A constant channel computes nothing.
                if ((poly && constant_in(*poly, o)) || (sine && constant_in(*sine, o))) continue;
                const double worth = weights.x_scale[o] / unit_of_x;
                double shift = 0, period = std::numeric_limits<double>::infinity();
                if (poly) {
                    shift = (poly->b[o] / (poly->a[o] * weights.x_scale[o]) - weights.kappa[o]) / 2;
                    EXPECT_LE(std::abs(shift), 0.2500001);
                } else if (sine) {
                    period = 2 * std::numbers::pi / sine->frequency[o];
                    shift = sine->phase[o] / sine->frequency[o] / weights.x_scale[o];
                    EXPECT_NEAR(weights.x_scale[o], std::ldexp(period, -m.architecture.layers[i].share_bits),
                                1e-9 * period);
                }
                double error =
                    worth * (run.layers[i].acc.use(p) / 4 * modulus - shift * unit_of_x) - exact[p] - layer.bias[o];
                if (sine) error = std::remainder(error, period);
                ASSERT_LE(std::abs(error), worth * allowed[p] * 1.000001 + 1e-9 * std::abs(exact[p]))
                    << "layer " << i << " channel " << o;
                if (!layer.activation) continue;
                const double rounded = weights.x_scale[o] * (run.layers[i].x[p] - shift);
                const double y = poly ? value_at(*poly, o, rounded) : value_at(*sine, o, rounded);
                // A sine and its offset are rounded each.
                ASSERT_NEAR(static_cast<double>(run.layers[i].y[p]) * weights.y_scale[o], y,
                            std::abs(weights.y_scale[o]) * (poly ? 0.51 : 1.1) + 1e-9 * std::abs(y))
                    << "layer " << i;
            }
            values.push_back(run.layers[i].y);
            scale.push_back(weights.y_scale);
        }
    }
}

TEST(RandomNetworks, EveryLayerIsWithinTheRoundingOfItsIntegers) { check_layers_of({4096, 1}); }

TEST(RandomNetworks, EveryLayerOfSeveralModuliIsWithinTheRoundingOfItsIntegers) {
    check_layers_of({8192, 3});
    check_layers_of({16384, 7});
}

TEST(RandomNetworks, EveryLayerOfSinesIsWithinTheRoundingOfItsIntegers) {
    check_layers_of({8192, 3}, testing::Curves::kSines);
    check_layers_of({8192, 2}, testing::Curves::kBoth);
}

// End to end, with the errors of all layers. A layer's own error is about -40 dB (int8 weights) and -35 dB (m = 9);
// where a network is dominated by its squares, each layer doubles the relative error of its operands (6 dB). So: most
// networks within a twelfth, the median within a thirtieth; a few deep ones of heavy tails are allowed more.
void compare_end_to_end(testing::Curves curves) {
    std::vector<double> all;
    std::size_t refused = 0;
    for (std::uint64_t seed = 1; seed <= kNetworks; ++seed) {
        SCOPED_TRACE(seed);
        const testing::RandomNetwork random = network_of(seed, curves);
        const ImportedModel imported = import_onnx(random.onnx, "random");
        std::optional<CompileResult> compiled;
        try {
            CompileOptions options;
            options.target_snr_db = 30;  // what the bounds below are about
            compiled = compile(imported, random.images(40, seed), options);
        } catch (const Error& error) {
            // Forty pictures may say so little of the tail of a logit that the margin leaves nothing of it.
            EXPECT_EQ(error.kind(), ErrorKind::kRange) << error.what();
            ++refused;
            continue;
        }
        const CompileResult& result = *compiled;
        const model::Twin twin(result.model);
        double signal = 0, error = 0;
        int clean = 0;
        for (const std::vector<float>& image : random.images(20, seed + 1000)) {  // not those of the calibration
            const std::vector<double> expected = testing::evaluate_onnx(random.onnx, image);
            const model::TwinResult got = twin.run(model::quantise_input(result.model.architecture, image));
            if (got.overflows > 0) continue;  // counted: the caller knows
            ++clean;
            for (std::size_t i = 0; i < expected.size(); ++i) {
                signal += expected[i] * expected[i];
                error += std::pow(expected[i] - static_cast<double>(got.logits[i]), 2);
            }
        }
        EXPECT_GT(clean, 10);
        if (curves == testing::Curves::kSines) {
            EXPECT_GT(clean, 18) << "only logits can leave a range";
        }
        all.push_back(10 * std::log10(signal / error));
        EXPECT_GT(all.back(), 3) << result.model.architecture.layers.size() << " layers, report "
                                 << result.report.snr_db;
        EXPECT_EQ(model::serialize(model::parse(model::serialize(result.model))), model::serialize(result.model));
    }
    EXPECT_LE(refused, curves == testing::Curves::kSquares ? 0u : kNetworks / 10);
    std::sort(all.begin(), all.end());
    printf("signal to quantisation noise of the logits: worst %.1f dB, tenth %.1f dB, median %.1f dB\n", all.front(),
           all[all.size() / 10], all[all.size() / 2]);
    EXPECT_GT(all[all.size() / 10], curves == testing::Curves::kSquares ? 22 : 18);
    EXPECT_GT(all[all.size() / 4], 27);
    EXPECT_GT(all[all.size() / 2], curves == testing::Curves::kSquares ? 31 : 29);
}

TEST(RandomNetworks, TwinEqualsTheFloatNetworkUpToQuantisation) { compare_end_to_end(testing::Curves::kSquares); }

TEST(RandomNetworks, TwinOfSinesEqualsTheFloatNetworkUpToQuantisation) {
    compare_end_to_end(testing::Curves::kSines);
    compare_end_to_end(testing::Curves::kBoth);
}

}  // namespace
}  // namespace flash::compiler
