// Groups, rings and the other ways to pack a group.
#include "packing/group_packings.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "packing/plan.h"

namespace flash::packing {
namespace {

/// A residual network: 0: 3x16x16 -> 8, 1: -> 8, 2: -> 8 + shortcut, 3: -> 16x8x8 with stride 2, 4: fully connected.
model::Architecture residual() {
    model::Architecture a;
    a.name = "alternatives";
    a.plain_bits = 26;
    a.trust_server = true;  // uploads are shared across depths, the picture may be in any ring
    a.input = {3, 16, 16};
    a.input_scale = a.output_scale = 1;
    a.input_limit = 100;
    const auto layer = [&](int source, model::Window window, model::Shape output) {
        model::Layer& l = a.layers.emplace_back();
        l.name = "layer" + std::to_string(a.layers.size() - 1);
        l.terms.resize(1);
        l.terms[0].source = source;
        l.terms[0].window = window;
        l.output = output;
        l.share_bits = 9;
        l.upload_bits = 25;
    };
    const model::Window same{3, 3, 1, 1, 1, 1, 1, 1};
    layer(0, same, {8, 16, 16});
    layer(1, same, {8, 16, 16});
    layer(2, same, {8, 16, 16});
    model::Term shortcut;
    shortcut.source = 1;
    shortcut.kind = model::TermKind::kScale;
    a.layers[2].terms.push_back(shortcut);
    layer(3, {3, 3, 2, 2, 1, 1, 1, 1}, {16, 8, 8});
    layer(4, {8, 8}, {10, 1, 1});
    a.layers.back().activation = false;
    a.layers.back().share_bits = 16;
    model::validate(a);
    return a;
}

void choose(model::Architecture& a, const std::vector<std::size_t>& group, const model::PackingChoice& choice) {
    for (std::size_t layer : group) a.layers[layer].packing = choice;
}

TEST(Groups, LayersThatShareUploadsBelongTogether) {
    EXPECT_EQ(layer_groups(residual()), (std::vector<std::vector<std::size_t>>{{0}, {1, 2}, {3}, {4}}));
}

TEST(Groups, AModelThatNamesNoRingIsInTheLargeOne) {
    const Plan plan = make_plan(residual());
    EXPECT_EQ(plan.degrees(), std::vector<std::size_t>{2048});
    for (const Stream& stream : plan.streams) EXPECT_EQ(stream.degree(), 2048u);
    for (const LinearPlan& layer : plan.layers) EXPECT_EQ(layer.degree(), 2048u);
}

TEST(Groups, OneMemberNamesTheRingOfAll) {
    model::Architecture a = residual();
    a.layers[2].packing.degree = 1024;
    const Plan plan = make_plan(a);
    EXPECT_EQ(plan.degrees(), (std::vector<std::size_t>{2048, 1024}));
    EXPECT_EQ(plan.layers[1].degree(), 1024u);
    EXPECT_EQ(plan.layers[2].degree(), 1024u);
    EXPECT_EQ(plan.layers[0].degree(), 2048u);
    EXPECT_EQ(choice_of(a, {1, 2}).degree, 1024);
    a.layers[1].packing.degree = 2048;
    EXPECT_THROW(make_plan(a), Error) << "two rings for one upload";
}

TEST(Groups, AllInTheSmallRing) {
    model::Architecture a = residual();
    for (model::Layer& layer : a.layers) layer.packing.degree = 1024;
    const Plan plan = make_plan(a);
    EXPECT_EQ(plan.degrees(), std::vector<std::size_t>{1024});
    for (const Stream& stream : plan.streams) {
        EXPECT_LE(stream.upload_bits, 26) << "there are no more bits in q";
        for (const lattice::CoefficientRange& range : stream.sent) EXPECT_LE(range.end, 1024u);
    }
    for (const LinearPlan& layer : plan.layers)
        for (std::uint16_t position : layer.positions) EXPECT_LT(position, 1024);
    // The input's upload keeps all bits of its ring.
    EXPECT_EQ(plan.streams[0].upload_bits, 26);
    EXPECT_EQ(make_plan(residual()).streams[0].upload_bits, 32);
}

TEST(GroupPackings, AreWhatMakePlanThenDoes) {
    const model::Architecture before = residual();
    for (const std::vector<std::size_t>& group : layer_groups(before)) {
        const std::vector<GroupPacking> ways = group_packings(before, group);
        ASSERT_GE(ways.size(), 2u);
        for (int degree : model::kDegrees)
            EXPECT_TRUE(
                std::ranges::any_of(ways, [&](const GroupPacking& way) { return way.choice.degree == degree; }));
        for (const GroupPacking& way : ways) {
            model::Architecture a = before;
            choose(a, group, way.choice);
            const Plan plan = make_plan(a);
            std::int64_t uploads = 0, results = 0;
            for (std::size_t l : group) {
                EXPECT_EQ(plan.layers[l].grid.channels_per_input, way.choice.channels_per_input);
                EXPECT_EQ(plan.layers[l].grid.channels_per_output, way.channels_per_output);
                EXPECT_EQ(plan.layers[l].grid.degree, way.choice.degree);
                results += plan.layers[l].polynomials();
                for (int id : plan.layers[l].uploads) uploads += plan.streams[id].polynomials();
            }
            EXPECT_EQ(uploads, way.upload_ciphertexts);
            EXPECT_EQ(results, way.response_ciphertexts);
            EXPECT_EQ(packed_as(before, group, way.choice).bytes(), way.bytes());
        }
        // No way is worse than another one of its ring in uploads and results, and the default one is among them.
        for (const GroupPacking& way : ways)
            for (const GroupPacking& other : ways)
                if (&way != &other && way.choice.degree == other.choice.degree) {
                    EXPECT_FALSE(other.upload_ciphertexts <= way.upload_ciphertexts &&
                                 other.response_ciphertexts <= way.response_ciphertexts);
                }
        const GroupPacking standard = packed_as(before, group, {});
        EXPECT_TRUE(std::ranges::any_of(ways, [&](const GroupPacking& way) { return way.choice == standard.choice; }));
    }
}

TEST(GroupPackings, ARingInWhichARowDoesNotFitIsLeftOut) {
    model::Architecture a = residual();
    a.layers.resize(1);
    a.input = {3, 4, 1500};
    a.layers[0].output = {8, 4, 1500};
    a.layers[0].terms[0].window = {1, 3, 1, 1, 0, 1, 0, 1};
    for (const GroupPacking& way : group_packings(a, {0})) EXPECT_EQ(way.choice.degree, 2048);
    a.layers[0].packing.degree = 1024;
    EXPECT_THROW(make_plan(a), Error);
}

}  // namespace
}  // namespace flash::packing
