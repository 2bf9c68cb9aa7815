// The plan's own promises: every element has one result slot, blocks do not overlap, uploads are shared, fixed splits
// are checked.
#include "packing/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "packing/grid.h"
#include "scheme/parameters.h"

namespace flash::packing {
namespace {

model::Architecture architecture(model::Shape input) {
    model::Architecture a;
    a.name = "plan";
    a.plain_bits = 26;
    a.trust_server = true;  // uploads are shared across depths, the picture may be in any ring
    a.input = input;
    a.input_scale = 1;
    a.input_limit = 100;
    return a;
}

model::Layer convolution(int source, model::Window window, model::Shape output) {
    model::Layer layer;
    layer.name = "conv";
    layer.terms.resize(1);
    layer.terms[0].source = source;
    layer.terms[0].window = window;
    layer.output = output;
    layer.share_bits = 10;
    return layer;
}

TEST(Plan, EveryElementHasExactlyOneResultCoefficient) {
    model::Architecture a = architecture({3, 70, 50});
    a.layers.push_back(convolution(0, {3, 3, 1, 1, 1, 1, 1, 1}, {5, 70, 50}));  // bands
    a.layers.push_back(convolution(1, {3, 3, 2, 2, 1, 1, 1, 1}, {9, 35, 25}));
    a.layers.push_back(convolution(2, {35, 25, 1, 1, 0, 0, 0, 0}, {7, 1, 1}));  // fully connected
    const Plan plan = make_plan(a);
    for (std::size_t l = 0; l < a.layers.size(); ++l) {
        std::set<std::uint32_t> elements;
        for (int p = 0; p < plan.layers[l].polynomials(); ++p) {
            std::set<std::uint32_t> positions;
            std::size_t count = 0;
            const lattice::CoefficientTiles& tiles =
                plan.layers[l].tiles_of_band(p / plan.layers[l].polynomials_per_band);
            for (const ResultRun& run : result_runs(plan.layers[l], a.layers[l].output, p))
                for (std::uint32_t i = 0; i < run.count; ++i, ++count) {
                    EXPECT_TRUE(elements.insert(run.element + i).second);
                    EXPECT_TRUE(positions.insert(run.position + i).second);
                    EXPECT_LT(run.position + i, plan.layers[l].degree());
                    EXPECT_NO_THROW(tiles.compact(run.position + i));
                }
            EXPECT_EQ(count, result_count(plan.layers[l], a.layers[l].output, p));
            const auto listed = result_positions(plan.layers[l], a.layers[l].output, p);
            EXPECT_EQ(std::set<std::uint32_t>(listed.begin(), listed.end()), positions);
            EXPECT_TRUE(std::ranges::is_sorted(listed));
        }
        EXPECT_EQ(elements.size(), static_cast<std::size_t>(a.layers[l].output.size()));
    }
    EXPECT_GT(plan.layers[0].bands, 1);
}

TEST(Plan, AResidualBlockUploadsItsInputOnce) {
    model::Architecture a = architecture({4, 8, 8});
    const model::Window same{3, 3, 1, 1, 1, 1, 1, 1};
    a.layers.push_back(convolution(0, same, {4, 8, 8}));
    a.layers.push_back(convolution(1, same, {4, 8, 8}));
    model::Layer sum = convolution(2, same, {4, 8, 8});
    model::Term shortcut;
    shortcut.source = 1;
    shortcut.kind = model::TermKind::kScale;
    sum.terms.push_back(shortcut);
    a.layers.push_back(sum);
    const Plan plan = make_plan(a);
    EXPECT_EQ(plan.streams.size(), 3u);
    EXPECT_EQ(plan.layers[1].uploads.size(), 1u);
    EXPECT_EQ(plan.layers[2].uploads.size(), 1u) << "the shortcut reads what layer 1 uploaded";
    EXPECT_EQ(plan.layers[2].term_streams[1], plan.layers[1].term_streams[0]);
    EXPECT_EQ(plan.streams[plan.layers[1].term_streams[0]].last_layer, 2);
}

TEST(Plan, PackedPixelsComeBackWhereTheyWerePut) {
    model::Architecture a = architecture({5, 9, 7});
    a.layers.push_back(convolution(0, {3, 3, 2, 2, 1, 1, 1, 1}, {2, 5, 4}));
    const Plan plan = make_plan(a);
    const Stream& stream = plan.streams[0];
    EXPECT_EQ(stream.submaps.size(), 4u);
    std::vector<std::uint32_t> values(static_cast<std::size_t>(a.input.size()));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint32_t>(i + 1);
    std::multiset<std::uint32_t> found;
    std::vector<std::uint32_t> polynomial(stream.degree());
    for (int p = 0; p < stream.polynomials(); ++p) {
        pack(stream, p, values, polynomial);
        for (std::uint32_t v : polynomial)
            if (v) found.insert(v);
    }
    EXPECT_EQ(found, std::multiset<std::uint32_t>(values.begin(), values.end()));
}

TEST(Plan, OnlyTheSubmapsThatAreReadAreUploaded) {
    model::Architecture a = architecture({4, 8, 8});
    a.layers.push_back(convolution(0, {1, 1, 2, 2, 0, 0, 0, 0}, {4, 4, 4}));
    EXPECT_EQ(make_plan(a).streams[0].submaps.size(), 1u);
}

TEST(Plan, TheSplitCanBeFixedWithinItsLimits) {
    model::Architecture a = architecture({4, 8, 8});
    a.layers.push_back(convolution(0, {3, 3, 1, 1, 1, 1, 1, 1}, {4, 8, 8}));
    a.layers[0].packing.channels_per_input = 3;
    EXPECT_EQ(make_plan(a).layers[0].grid.channels_per_input, 3);
    a.layers[0].packing.channels_per_input = 100000;
    EXPECT_THROW(make_plan(a), Error);
    a.layers[0].packing.channels_per_input = -1;
    EXPECT_THROW(make_plan(a), Error);
}

TEST(Plan, RefusesARowThatDoesNotFit) {
    model::Architecture a = architecture({1, 8, 2100});
    a.layers.push_back(convolution(0, {3, 3, 1, 1, 1, 1, 1, 1}, {1, 8, 2100}));
    try {
        make_plan(a);
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
        EXPECT_NE(std::string(error.what()).find("conv"), std::string::npos);
    }
}

/// A valid architecture from a hostile server must be refused before it costs the client time or memory.
TEST(Plan, RefusesArchitecturesThatAskForTooMuch) {
    const auto refused = [](const model::Architecture& a) {
        try {
            make_plan(a);
            return false;
        } catch (const Error& error) {
            return error.kind() == ErrorKind::kUnsupported;
        }
    };
    model::Architecture submaps = architecture({1, 4096, 4096});
    submaps.layers.push_back(convolution(0, {512, 512, 512, 512, 0, 0, 0, 0}, {1, 8, 8}));
    EXPECT_TRUE(refused(submaps));
    // 2^18 taps, but 4096 submaps to look for each of them in.
    model::Architecture taps = architecture({1, 64, 4096});
    taps.layers.push_back(convolution(0, {64, 4096, 1, 4096, 0, 0, 0, 0}, {1, 1, 1}));
    taps.layers[0].activation = false;
    taps.output_scale = 1;
    EXPECT_NO_THROW(model::validate(taps));
    EXPECT_TRUE(refused(taps));
    model::Architecture many = architecture({65536, 1, 1});
    many.layers.push_back(convolution(0, {1, 1, 1, 1, 0, 0, 4095, 2047}, {8, 4096, 2048}));
    EXPECT_TRUE(refused(many));
    model::Architecture pool = architecture({1, 4096, 1024});
    pool.layers.push_back(convolution(0, {1, 1, 1, 1, 0, 0, 0, 0}, {1, 4097, 1025}));
    pool.layers[0].terms[0].pool = model::Window{4096, 1024, 1, 1, 2048, 512, 2048, 512};
    EXPECT_TRUE(refused(pool));
}

TEST(Plan, FloorDivision) {
    EXPECT_EQ(floor_div(-1, 2), -1);
    EXPECT_EQ(floor_div(-2, 2), -1);
    EXPECT_EQ(floor_div(-3, 2), -2);
    EXPECT_EQ(floor_div(3, 2), 1);
}

}  // namespace
}  // namespace flash::packing
