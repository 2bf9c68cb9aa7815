// The private run against the clear-text twin, layer by layer: exact up to the one-unit rounding of each truncation.
#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <algorithm>
#include <chrono>

#include "model/twin.h"
#include "packing/choose_packing.h"
#include "packing/group_packings.h"
#include "protocol/messages.h"
#include "support/private_run.h"
#include "support/random_model.h"

namespace flash::protocol {
namespace {

// One unit of rounding, plus what the encryption noise moves the boundary, in units: the dropped bits of b'' are at
// most 1/32, those of a'' times s have sigma 2^-8 / sqrt(12) * sqrt(n * 2/3) = 0.042, of which seven; the rest is small
// beside it in these models.
constexpr double kOneUnit = 1.0 + 1.0 / 32 + 7 * 0.042;

void expect_exact(const flash::testing::PrivateRun& run, const PreparedModel& model, const char* what) {
    EXPECT_LT(run.audit.largest_error(), kOneUnit) << what;
    EXPECT_EQ(run.audit.wrong_activations(), 0) << what;
    EXPECT_EQ(run.audit.out_of_range(), 0) << what;
    EXPECT_EQ(run.traffic.bytes_sent, model.cost().up()) << what;
    EXPECT_EQ(run.traffic.bytes_received, model.cost().down()) << what;
    EXPECT_EQ(run.client.round_trips, model.cost().round_trips);
}

TEST(PrivateInference, RandomNetworksMatchTheTwinBitByBit) {
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
        SCOPED_TRACE(seed);
        const flash::testing::SourcedModel model(flash::testing::random_model(seed));
        const auto input = flash::testing::random_input(model.architecture(), seed + 100);
        const auto run = flash::testing::run_privately(model, input);
        expect_exact(run, model, "random network");
        EXPECT_EQ(run.client.logits.size(), static_cast<std::size_t>(model.architecture().output_shape().size()));
    }
}

TEST(PrivateInference, RandomNetworksOfSinesMatchTheTwin) {
    std::uint64_t seed = 300;
    for (const model::SlotChoice& slots : {model::SlotChoice{4096, 1}, {8192, 2}, {8192, 3}, {16384, 6}, {16384, 7}})
        for (flash::testing::Curves curves : {flash::testing::Curves::kSines, flash::testing::Curves::kBoth})
            for (int again = 0; again < 2; ++again) {
                SCOPED_TRACE(++seed);
                flash::testing::RandomModelOptions options;
                options.slots = slots;
                options.curves = curves;
                options.plain_bits = 24;
                options.share_bits = again ? 8 : 9;
                options.layers = 3;
                const flash::testing::SourcedModel model(flash::testing::random_model(seed, options));
                std::vector<std::int32_t> input = flash::testing::random_input(model.architecture(), seed);
                // Everything at its limit, in a checkerboard: nothing can be too large for a sine.
                const std::int32_t limit = model.architecture().input_limit;
                if (again)
                    for (std::size_t i = 0; i < input.size(); ++i) input[i] = i % 2 == 0 ? limit : -limit;
                const auto run = flash::testing::run_privately(model, input, seed, seed + 1);
                expect_exact(run, model, "sines");
                EXPECT_LE(run.audit.largest_sine_use(), 1);
                if (curves == flash::testing::Curves::kSines) {
                    EXPECT_EQ(model.activation().sizes().products, 2);
                    EXPECT_GT(run.audit.largest_sine_use(), 0.1);
                }
            }
}

TEST(PrivateInference, NetworksInBothRings) {
    int small = 0;
    for (std::uint64_t seed = 200; seed < 212; ++seed) {
        SCOPED_TRACE(seed);
        flash::testing::RandomModelOptions options;
        options.mixed_rings = false;
        options.share_bits = seed % 2 ? 8 : 9;
        options.layers = 3;
        model::Model chosen = flash::testing::random_model(seed, options);
        packing::choose_packing(chosen.architecture, chosen.weights);
        const flash::testing::SourcedModel model(std::move(chosen));
        small += std::ranges::count(model.plan().degrees(), 1024u) > 0;
        expect_exact(flash::testing::run_privately(model, flash::testing::random_input(model.architecture(), seed)),
                     model, "both rings");
    }
    EXPECT_GT(small, 6);
}

TEST(PrivateInference, EveryLayerInTheSmallRing) {
    // The result layer too: with shares of 13 bits its noise fits.
    for (const model::Shape& input : {model::Shape{3, 7, 7}, model::Shape{2, 40, 33}}) {
        model::Model chosen = flash::testing::single_convolution(input, 5, {3, 3, 1, 1, 1, 1, 1, 1}, 41, 8);
        chosen.architecture.layers.back().share_bits = 13;
        chosen.architecture.trust_server = true;  // where keys have levels, the picture's ring is the large one
        flash::testing::use_ring(chosen, 1024);
        const flash::testing::SourcedModel model(std::move(chosen));
        EXPECT_EQ(model.plan().degrees(), std::vector<std::size_t>{1024});
        expect_exact(flash::testing::run_privately(model, flash::testing::random_input(model.architecture(), 1)), model,
                     "small ring");
    }
}

TEST(PrivateInference, AlternativesCountTheBytesThatAreSent) {
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
        const PreparedModel model(flash::testing::random_model(seed));
        std::uint64_t counted = 0, sent = 0, frames = 0;
        for (const auto& group : packing::layer_groups(model.architecture())) {
            const packing::GroupPacking way =
                packing::packed_as(model.architecture(), group, packing::choice_of(model.architecture(), group));
            counted += way.bytes();
            frames += static_cast<std::uint64_t>(way.upload_ciphertexts + way.response_ciphertexts);
        }
        for (const LayerCost& layer : model.cost().layers) sent += layer.upload + layer.linear_response;
        const model::Layer& last = model.architecture().layers.back();
        const std::uint64_t result = transport::kFrameHeaderBytes +
                                     result_share_bytes(last.share_bits, static_cast<std::size_t>(last.output.size()));
        EXPECT_EQ(counted + frames * transport::kFrameHeaderBytes + result, sent);
    }
}

TEST(PrivateInference, EveryPlainModulusAndShareWidth) {
    const std::pair<int, int> choices[] = {{24, 9}, {25, 10}, {26, 11}, {27, 11}, {28, 12}, {24, 8}};
    std::uint64_t seed = 50;
    for (const auto& [plain, share] : choices) {
        SCOPED_TRACE(plain);
        flash::testing::RandomModelOptions options;
        options.plain_bits = plain;
        options.share_bits = share;
        options.layers = 2;
        const flash::testing::SourcedModel model(flash::testing::random_model(++seed, options));
        const auto run = flash::testing::run_privately(model, flash::testing::random_input(model.architecture(), seed));
        expect_exact(run, model, "modulus");
    }
}

TEST(PrivateInference, BandedLayer) {
    const flash::testing::SourcedModel model(
        flash::testing::single_convolution({2, 70, 61}, 3, {3, 3, 2, 1, 1, 1, 1, 1}, 1));
    const auto run = flash::testing::run_privately(model, flash::testing::random_input(model.architecture(), 3));
    expect_exact(run, model, "banded");
}

TEST(PrivateInference, ALayerOfMoreVectorsThanTheWindowWithoutWorkerThreads) {
    // The server stops sending vectors when 64 MiB are unanswered: a client whose only thread waits for more vectors
    // must have answered these.
    const tbb::global_control one_thread(tbb::global_control::max_allowed_parallelism, 1);
    const flash::testing::SourcedModel model(
        flash::testing::single_convolution({1, 64, 64}, 600, {1, 1, 1, 1, 0, 0, 0, 0}, 31));
    ASSERT_GT(model.cost().layers[0].server_vectors, kAheadBytes);
    transport::LoopbackOptions options;
    options.limits.timeout = std::chrono::seconds(15);
    const auto result = flash::testing::run_without_audit(model, flash::testing::random_input(model.architecture(), 1),
                                                          1, 2, std::move(options));
    EXPECT_EQ(result.x.size(), static_cast<std::size_t>(model.architecture().output_shape().size()));
}

TEST(PrivateInference, ExtremeInputs) {
    const flash::testing::SourcedModel model(flash::testing::random_model(7));
    const auto size = static_cast<std::size_t>(model.architecture().input.size());
    for (const std::int32_t value : {0, model.architecture().input_limit, -model.architecture().input_limit}) {
        const auto run = flash::testing::run_privately(model, std::vector<std::int32_t>(size, value));
        expect_exact(run, model, "extreme input");
    }
}

TEST(PrivateInference, RoundingIsUnbiased) {
    const flash::testing::SourcedModel model(
        flash::testing::single_convolution({4, 30, 30}, 16, {3, 3, 1, 1, 1, 1, 1, 1}, 5));
    const auto run = flash::testing::run_privately(model, flash::testing::random_input(model.architecture(), 6));
    // 14,400 values with an error of at most one unit: the mean has a standard deviation below 0.005.
    EXPECT_LT(std::abs(run.audit.layers[0].mean_error), 0.03);
}

TEST(PrivateInference, FixedSeedsGiveTheSameTranscriptOfResults) {
    const flash::testing::SourcedModel model(flash::testing::random_model(9));
    const auto input = flash::testing::random_input(model.architecture(), 9);
    const auto first = flash::testing::run_privately(model, input, 11, 12);
    const auto second = flash::testing::run_privately(model, input, 11, 12);
    EXPECT_EQ(first.client.x, second.client.x);
}

}  // namespace
}  // namespace flash::protocol
