// Random networks: the folded float network against an independent evaluation of the ONNX graph, and the clear-text twin of
// the compiled model against both.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

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

TEST(RandomNetworks, FoldedNetworkEqualsTheGraph) {
    for (std::uint64_t seed = 1; seed <= kNetworks; ++seed) {
        SCOPED_TRACE(seed);
        const testing::RandomNetwork random = testing::random_network(seed);
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

// The error of quantisation. A weight is off by at most half a step of int8, that is with variance g^2/12 in units where the
// largest of its term is about 127 g; X by one unit with variance at most 1/4. Both are small against the signal by design;
// over a network of up to eight layers we ask for an error of the logits below a tenth of their size, and in the median
// below a thirtieth.
TEST(RandomNetworks, TwinEqualsTheFloatNetworkUpToQuantisation) {
    std::vector<double> all;
    for (std::uint64_t seed = 1; seed <= kNetworks; ++seed) {
        SCOPED_TRACE(seed);
        const testing::RandomNetwork random = testing::random_network(seed);
        const ImportedModel imported = import_onnx(random.onnx, "random");
        const CompileResult result = compile(imported, random.images(40, seed), {});
        // Random networks amplify errors: their squares have heavy tails. Fresh images, not those of the calibration.
        const model::Twin twin(result.model);
        double signal = 0, error = 0;
        int clean = 0;
        for (const std::vector<float>& image : random.images(20, seed + 1000)) {
            const std::vector<double> expected = testing::evaluate_onnx(random.onnx, image);
            const model::TwinResult got = twin.run(model::quantise_input(result.model.architecture, image));
            if (got.overflows > 0) continue;  // counted: the caller knows
            ++clean;
            for (std::size_t i = 0; i < expected.size(); ++i) {
                signal += expected[i] * expected[i];
                error += std::pow(expected[i] - static_cast<double>(got.logits[i]), 2);
            }
        }
        printf("%lu: %zu layers, %d of 20 clean, m %d T %u", seed, result.model.architecture.layers.size(), clean, result.model.architecture.layers[0].share_bits, result.model.architecture.plain_modulus);
        printf(" snr %.1f report %.1f\n", 10 * std::log10(signal / error), result.report.snr_db);
        if (std::getenv("VERBOSE")) for (auto& l : result.report.layers) printf("  %s %dx%dx%d m %d margin %.2f range %.3g use %.2f maxw %d g %d snr %.1f\n", l.name.c_str(), l.output.channels,l.output.height,l.output.width,l.share_bits,l.margin,l.range,l.use,l.max_weight,l.multiplier,l.snr_db);
        ASSERT_GT(clean, 10);
        all.push_back(10 * std::log10(signal / error));
        EXPECT_GT(all.back(), 20) << result.model.architecture.layers.size() << " layers, report " << result.report.snr_db;
        EXPECT_EQ(model::serialize(model::parse(model::serialize(result.model))), model::serialize(result.model));
    }
    std::ranges::sort(all);
    printf("signal to quantisation noise of the logits: worst %.1f dB, median %.1f dB\n", all.front(), all[all.size() / 2]);
    EXPECT_GT(all[all.size() / 2], 30);
}

}  // namespace
}  // namespace flash::compiler
