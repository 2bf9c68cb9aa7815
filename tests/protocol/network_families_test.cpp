// Random networks of every family of blocks all the way: ONNX file, import, compilation, private inference. The private
// run is compared with integer arithmetic layer by layer, and its logits with an evaluation of the ONNX graph in
// floating point.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "base/error.h"
#include "compiler/compile.h"
#include "model/arithmetic.h"
#include "model/twin.h"
#include "support/onnx_reference.h"
#include "support/private_run.h"
#include "support/random_network.h"
#include "support/sanitized.h"

namespace flash::protocol {
namespace {

using flash::testing::NetworkFamily;

double largest_difference(const std::vector<float>& left, const std::vector<float>& right) {
    double largest = 0;
    for (std::size_t i = 0; i < left.size(); ++i)
        largest = std::max(largest, std::abs(static_cast<double>(left[i]) - static_cast<double>(right[i])));
    return largest;
}

/// Six sigma of what random rounding does to the twin's logits, and a unit of the result.
double rounding_bound(const model::Twin& twin, const std::vector<std::int32_t>& input, double unit) {
    constexpr std::uint64_t kTwins = 8;
    const std::vector<float> nearest = twin.run(input).logits;
    double sum = 0;
    for (std::uint64_t seed = 1; seed <= kTwins; ++seed) {
        const std::vector<float> other = twin.run(input, {model::Rounding::Mode::kStochastic, seed}).logits;
        for (std::size_t i = 0; i < other.size(); ++i)
            sum += std::pow(static_cast<double>(other[i]) - static_cast<double>(nearest[i]), 2);
    }
    return 6 * std::sqrt(sum / static_cast<double>(kTwins * nearest.size())) + unit;
}

class NetworkFamilies : public ::testing::TestWithParam<NetworkFamily> {};

TEST_P(NetworkFamilies, PrivateInferenceEqualsTheTwinAndTheGraph) {
    constexpr std::uint64_t kNetworks =
        flash::testing::kSanitized ? 5 : 20;  // it needs seconds for each, and finds no more in twenty
    std::vector<double> quality;
    std::size_t layers = 0, terms = 0;
    bool read_again = false;  // some value was read by several layers
    for (std::uint64_t seed = 1; seed <= kNetworks; ++seed) {
        SCOPED_TRACE(::testing::Message()
                     << "random_network, family " << static_cast<int>(GetParam()) << ", seed " << seed);
        flash::testing::RandomNetworkOptions options;
        options.family = GetParam();
        options.min_layers = 2;
        options.max_layers = 4;
        options.max_channels = 12;
        options.wide_channels = 40;
        options.max_extent = 11;
        const auto network = flash::testing::random_network(seed, options);
        const auto imported = compiler::import_onnx(network.onnx, "random");
        std::optional<compiler::CompileResult> compiled;
        try {
            compiled = compiler::compile(imported, network.images(24, seed), {});
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::kRange) << error.what();
            continue;  // a few have activations that are straighter than integers can tell
        }
        const flash::testing::SourcedModel model(std::move(compiled->model));
        const model::Twin twin(model.model());
        std::map<int, int> readers;
        for (const model::Layer& layer : model.architecture().layers) {
            ++layers;
            terms += layer.terms.size();
            for (const model::Term& term : layer.terms) read_again = ++readers[term.source] > 1 || read_again;
        }

        const std::vector<float> image = network.images(1, seed)[0];
        const auto input = model::quantise_input(model.architecture(), image);
        const auto run =
            flash::testing::run_privately(model, input, 2 * seed + 1, 2 * seed + 2);  // the same every time
        // Exact, but for the one unit of a random rounding and the encryption noise, which the compiler keeps below
        // half a unit.
        EXPECT_EQ(run.audit.wrong_activations(), 0);
        EXPECT_EQ(run.audit.out_of_range(), 0);
        EXPECT_LT(run.audit.largest_error(), 1.5);
        EXPECT_EQ(run.traffic.bytes_sent, model.cost().up());
        EXPECT_EQ(run.traffic.bytes_received, model.cost().down());

        EXPECT_LE(largest_difference(run.client.logits, twin.run(input).logits),
                  rounding_bound(twin, input, model.architecture().output_scale));

        const std::vector<double> expected = flash::testing::evaluate_onnx(network.onnx, image);
        ASSERT_EQ(run.client.logits.size(), expected.size());
        double signal = 0, error = 0;
        for (std::size_t i = 0; i < expected.size(); ++i) {
            signal += expected[i] * expected[i];
            error += std::pow(expected[i] - static_cast<double>(run.client.logits[i]), 2);
        }
        quality.push_back(10 * std::log10(signal / error));
        EXPECT_GT(quality.back(), 12) << "the logits have little to do with the graph's";
    }
    ASSERT_GE(quality.size(), kNetworks - 3);
    std::ranges::sort(quality);
    EXPECT_GT(quality[quality.size() / 2], 28) << "int8 weights keep more";
    EXPECT_GT(terms, layers) << "no layer of any network had two terms";
    EXPECT_TRUE(read_again);
}

std::string name_of(const ::testing::TestParamInfo<NetworkFamily>& info) {
    switch (info.param) {
        case NetworkFamily::kResidual: return "Residual";
        case NetworkFamily::kBottleneck: return "Bottleneck";
        case NetworkFamily::kDepthwise: return "Depthwise";
        case NetworkFamily::kDense: return "Dense";
        case NetworkFamily::kHeads: return "Heads";
        case NetworkFamily::kAny: break;
    }
    return "Any";
}

INSTANTIATE_TEST_SUITE_P(Families, NetworkFamilies,
                         ::testing::Values(NetworkFamily::kResidual, NetworkFamily::kBottleneck,
                                           NetworkFamily::kDepthwise, NetworkFamily::kDense, NetworkFamily::kHeads),
                         name_of);

}  // namespace
}  // namespace flash::protocol
