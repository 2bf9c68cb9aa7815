// Channels that live modulo different primes: the compiled networks keep as much of the float network as with one.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "compiler/compile.h"
#include "model/arithmetic.h"
#include "model/twin.h"
#include "support/random_network.h"

namespace flash::compiler {
namespace {

/// The signal to noise ratio of the logits and, the mean over its layers, of the pre-activations of each network that
/// fits with all choices.
struct Measured {
    std::vector<double> logits, layers;
};

std::vector<Measured> measure(const std::vector<model::SlotChoice>& choices, int plain_bits) {
    std::vector<Measured> result(choices.size());
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        testing::RandomNetworkOptions shape;
        shape.family = static_cast<testing::NetworkFamily>(seed % 6);
        shape.wide_channels = 60;
        shape.max_extent = 12;
        shape.max_outputs = 40;  // less of chance in the error of the logits
        const testing::RandomNetwork random = testing::random_network(seed, shape);
        const ImportedModel imported = import_onnx(random.onnx, "random");
        std::vector<Report> reports;
        try {
            for (const model::SlotChoice& slots : choices) {
                CompileOptions options;
                options.plain_bits = plain_bits;
                options.share_bits = 9;
                options.slots = slots;
                options.least_snr_db = -100;
                const CompileResult compiled = compile(imported, random.images(24, seed), options);
                EXPECT_EQ(compiled.model.architecture.slots, slots);
                EXPECT_EQ(compiled.model.architecture.plain_bits, plain_bits);
                reports.push_back(compiled.report);
            }
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::kRange) << error.what();  // this m and T need not suit every network
            continue;
        }
        for (std::size_t c = 0; c < choices.size(); ++c) {
            result[c].logits.push_back(reports[c].snr_db);
            double sum = 0;
            for (const LayerReport& layer : reports[c].layers) sum += layer.snr_db;
            result[c].layers.push_back(sum / static_cast<double>(reports[c].layers.size()));
        }
    }
    return result;
}

double mean_difference(const std::vector<double>& left, const std::vector<double>& right) {
    double sum = 0;
    for (std::size_t i = 0; i < left.size(); ++i) sum += left[i] - right[i];
    return sum / static_cast<double>(left.size());
}

// Weights are rounded anew for each choice, so single networks differ by chance, by a dB or so; the mean of 60 differs
// by 0.1 dB with a standard error of 0.1.
TEST(ChannelModuli, KeepTheNetworkAsWellAsOne) {
    const std::vector<model::SlotChoice> choices{{4096, 1}, {8192, 3}, {16384, 6}};
    const std::vector<Measured> measured = measure(choices, 24);
    ASSERT_GT(measured[0].logits.size(), 15u);
    for (std::size_t c = 1; c < choices.size(); ++c) {
        const double logits = mean_difference(measured[c].logits, measured[0].logits),
                     layers = mean_difference(measured[c].layers, measured[0].layers);
        printf("%d moduli beside one: logits %+.2f dB, pre-activations %+.2f dB (%zu networks)\n", choices[c].moduli,
               logits, layers, measured[c].logits.size());
        EXPECT_LT(std::abs(logits), 0.6);
        EXPECT_LT(std::abs(layers), 0.3);
    }
}

// The same integers, taken as if all channels were in one modulus, are off by the ratios of the moduli: more than all
// roundings together.
TEST(ChannelModuli, RatiosAreInTheWeights) {
    const testing::RandomNetwork random = testing::random_network(5);
    const ImportedModel imported = import_onnx(random.onnx, "random");
    CompileOptions options;
    options.plain_bits = 23;
    options.slots = {16384, 6};  // moduli of 0.875 to 0.984 times 2^23
    options.least_snr_db = -100;
    const CompileResult compiled = compile(imported, random.images(40, 1), options);
    model::Model wrong = compiled.model;
    wrong.architecture.slots = {4096, 1};
    const model::Twin twin(compiled.model), wrong_twin(wrong);
    double error = 0, wrong_error = 0;
    for (const std::vector<float>& image : random.images(20, 2)) {
        const auto input = model::quantise_input(compiled.model.architecture, image);
        const auto exact = evaluate_float(imported, image), got = twin.run(input).logits,
                   off = wrong_twin.run(input).logits;
        for (std::size_t i = 0; i < exact.size(); ++i) {
            error += std::pow(got[i] - exact[i], 2);
            wrong_error += std::pow(off[i] - exact[i], 2);
        }
    }
    printf("without the ratios %.1f dB more error\n", 10 * std::log10(wrong_error / error));
    EXPECT_GT(wrong_error, 4 * error);
}

TEST(ChannelModuli, ChoicesWithoutPrimesAreRefused) {
    const testing::RandomNetwork random = testing::random_network(5);
    const ImportedModel imported = import_onnx(random.onnx, "random");
    CompileOptions options;
    options.slots = {16384, 6};
    for (int bits : {19, 20, 22, 29}) {
        options.plain_bits = bits;
        try {
            compile(imported, random.images(4, 1), options);
            ADD_FAILURE() << bits;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument) << bits;
        }
    }
}

TEST(ChannelModuli, TrustIsNoted) {
    const testing::RandomNetwork random = testing::random_network(5);
    const ImportedModel imported = import_onnx(random.onnx, "random");
    CompileOptions options;
    EXPECT_FALSE(compile(imported, random.images(20, 1), options).model.architecture.trust_server);
    options.trust_server = true;
    EXPECT_TRUE(compile(imported, random.images(20, 1), options).model.architecture.trust_server);
}

}  // namespace
}  // namespace flash::compiler
