// The packed linear map on clear polynomials against the integer twin: pack, apply, read the result coefficients.
#include "packing/linear_map.h"

#include <gtest/gtest.h>

#include <array>

#include "model/arithmetic.h"
#include "model/twin.h"
#include "support/random_model.h"

namespace flash::packing {
namespace {

/// Accumulators of every layer through packed polynomials, from the given values.
std::vector<std::int64_t> packed_accumulators(const model::Model& model, const Plan& plan, int layer,
                                              const std::vector<std::vector<std::int64_t>>& values) {
    const auto at = static_cast<std::size_t>(layer);
    const model::Architecture& architecture = model.architecture;
    std::vector<std::vector<std::uint32_t>> streams(plan.streams.size());
    for (int id : plan.layers[at].term_streams) {
        const Stream& stream = plan.streams[id];
        std::vector<std::int64_t> pooled = values[stream.source];
        if (stream.pool) {
            std::vector<std::int64_t> out(static_cast<std::size_t>(stream.shape.size()));
            model::sum_pool(pooled, architecture.value_shape(stream.source), *stream.pool, out);
            pooled = out;
        }
        std::vector<std::uint32_t> words(pooled.begin(), pooled.end());
        auto& polynomials = streams[id];
        polynomials.resize(static_cast<std::size_t>(stream.polynomials()) * stream.degree());
        for (int p = 0; p < stream.polynomials(); ++p)
            pack(stream, p, words,
                 std::span(polynomials).subspan(static_cast<std::size_t>(p) * stream.degree(), stream.degree()));
    }
    const LinearPlan& linear = plan.layers[at];
    std::vector<std::vector<std::uint32_t>> out;  // by band
    std::vector<std::uint32_t> whole(static_cast<std::size_t>(linear.polynomials()) * linear.degree());
    const LinearMap map = build_linear_map(architecture, plan, layer, model.weights.layers[at]);
    const auto stream_of = [&](int id) { return std::span<const std::uint32_t>(streams[id]); };
    apply_whole(map, plan, layer, stream_of, whole);
    // Results must not depend on coefficients that do not travel.
    for (std::size_t id = 0; id < plan.streams.size(); ++id) {
        const std::size_t n = plan.streams[id].degree();
        std::vector<bool> travels(n, false);
        for (const lattice::CoefficientRange& range : plan.streams[id].sent)
            for (std::uint32_t i = range.begin; i < range.end; ++i) travels[i] = true;
        for (std::size_t i = 0; i < streams[id].size(); ++i)
            if (!travels[i % n]) streams[id][i] = 0xdeadbeef;
    }
    for (int band = 0; band < linear.bands; ++band) {
        out.emplace_back(linear.result_words(band));
        apply_results(map, plan, layer, band, stream_of, out.back());
    }
    std::vector<std::int64_t> acc(static_cast<std::size_t>(architecture.layers[at].output.size()), INT64_MIN);
    const std::size_t plane =
        static_cast<std::size_t>(architecture.layers[at].output.height * architecture.layers[at].output.width);
    for (int p = 0; p < linear.polynomials(); ++p)
        for (const ResultRun& run : result_runs(linear, architecture.layers[at].output, p))
            for (std::uint32_t i = 0; i < run.count; ++i) {
                const int band = p / linear.polynomials_per_band;
                const lattice::CoefficientTiles& tiles = linear.tiles_of_band(band);
                const std::uint32_t word =
                    out[band][static_cast<std::size_t>(p % linear.polynomials_per_band) * tiles.words() +
                              tiles.compact(run.position + i)];
                EXPECT_EQ(word, whole[static_cast<std::size_t>(p) * linear.degree() + run.position + i]);
                EXPECT_EQ(acc[run.element + i], INT64_MIN) << "an element appears twice";
                acc[run.element + i] =
                    static_cast<std::int32_t>(word) + model.weights.layers[at].bias[(run.element + i) / plane];
            }
    return acc;
}

/// In the rings that the model names, all channels modulo one T.
void check_as_it_is(model::Model model, std::uint64_t seed) {
    model.architecture.slots = {4096, 1};
    model::validate(model);
    Plan plan = make_plan(model.architecture);
    for (Stream& stream : plan.streams) stream.upload_bits = 32;  // clear integers: all their bytes count
    const model::Twin twin(model);
    const auto input = flash::testing::random_input(model.architecture, seed);
    const auto result = twin.run(input, {}, true);
    ASSERT_EQ(result.overflows, 0);
    std::vector<std::vector<std::int64_t>> values{{input.begin(), input.end()}};
    for (std::size_t l = 0; l < model.architecture.layers.size(); ++l) {
        EXPECT_EQ(packed_accumulators(model, plan, static_cast<int>(l), values), result.layers[l].acc.sums.front())
            << "layer " << l << " of seed " << seed;
        values.push_back(result.layers[l].y);
    }
}

/// In every ring.
void check(model::Model model, std::uint64_t seed) {
    model.architecture.trust_server = true;  // so that the picture may be in any ring
    for (int degree : model::kDegrees) {
        SCOPED_TRACE(degree);
        for (model::Layer& layer : model.architecture.layers) layer.packing.degree = degree;
        check_as_it_is(model, seed);
    }
}

TEST(LinearMap, RandomNetworksMatchTheTwin) {
    int mixed = 0;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        const model::Model model = flash::testing::random_model(seed);
        mixed += make_plan(model.architecture).degrees().size() == 2;
        check_as_it_is(model, seed);
        if (seed < 10) check(model, seed);
    }
    EXPECT_GT(mixed, 20) << "too few networks with layers in both rings";
}

TEST(LinearMap, BandsWithHalo) {
    check(flash::testing::single_convolution({2, 70, 61}, 3, {3, 3, 1, 1, 1, 1, 1, 1}, 1), 1);
    check(flash::testing::single_convolution({3, 113, 90}, 4, {7, 7, 2, 2, 3, 3, 3, 3}, 2), 2);
    check(flash::testing::single_convolution({1, 50, 200}, 2, {5, 3, 1, 3, 0, 2, 2, 0}, 3), 3);
    check(flash::testing::single_convolution({1, 64, 64}, 2, {1, 1, 1, 1, 0, 0, 0, 0}, 4), 4);
    check(flash::testing::single_convolution({2, 224, 224}, 2, {7, 7, 2, 2, 3, 3, 3, 3}, 5), 5);
}

TEST(LinearMap, ManyChannelsAndTinyMaps) {
    check(flash::testing::single_convolution({300, 2, 2}, 40, {3, 3, 1, 1, 1, 1, 1, 1}, 6), 6);
    check(flash::testing::single_convolution({64, 1, 1}, 100, {1, 1, 1, 1, 0, 0, 0, 0}, 7), 7);
    check(flash::testing::single_convolution({17, 1, 1}, 5, {3, 3, 1, 1, 1, 1, 1, 1}, 8), 8);
    check(flash::testing::single_convolution({40, 8, 8}, 64, {3, 3, 2, 2, 1, 1, 1, 1}, 9), 9);
}

TEST(LinearMap, PaddingLargerThanTheKernelReaches) {
    check(flash::testing::single_convolution({2, 5, 4}, 3, {2, 2, 1, 1, 3, 3, 3, 3}, 10), 10);
    check(flash::testing::single_convolution({2, 1, 1}, 3, {1, 1, 2, 2, 1, 1, 1, 1}, 11), 11);
}

TEST(LinearMap, GroupsAndDilation) {
    const model::Window same{3, 3, 1, 1, 1, 1, 1, 1}, down{3, 3, 2, 2, 1, 1, 1, 1}, wide{3, 2, 1, 1, 2, 0, 2, 3, 2, 3};
    std::uint64_t seed = 20;
    for (const auto& [channels, outputs, groups] : std::vector<std::array<int, 3>>{
             {24, 24, 24}, {12, 36, 12}, {24, 36, 6}, {64, 8, 4}, {30, 45, 15}, {40, 60, 2}})
        for (const model::Window& window : {same, down, wide})
            for (const int side : {1, 5, 12, 50}) {
                ++seed;
                check(flash::testing::single_convolution({channels, side, side + 1}, outputs, window, seed, 10, groups),
                      seed);
            }
}

TEST(LinearMap, AllPackingSplitsAgree) {
    model::Model model = flash::testing::single_convolution({6, 7, 7}, 9, {3, 3, 1, 1, 1, 1, 1, 1}, 12);
    for (int g1 = 1; g1 <= 12; ++g1) {
        model.architecture.layers[0].packing.channels_per_input = g1;
        check(model, 12);
    }
    for (const int groups : {2, 3, 6}) {
        model::Model grouped =
            flash::testing::single_convolution({6, 7, 7}, 12, {3, 3, 2, 2, 1, 1, 1, 1, 2, 2}, 13, 10, groups);
        for (int g1 = 1; g1 <= 12; ++g1) {
            grouped.architecture.layers[0].packing.channels_per_input = g1;
            check(grouped, 13);
        }
    }
}

}  // namespace
}  // namespace flash::packing
