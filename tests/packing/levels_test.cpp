// No upload is under a key of its own value's depth or less: on random graphs, against depths that are found in another
// way, and with plans that are wrong on purpose.
#include "packing/levels.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "base/error.h"

namespace flash::packing {
namespace {

/// Layers that each read one to four earlier values: convolutions, identity shortcuts, concatenations of several
/// sources; some pooled.
model::Architecture random_graph(std::uint64_t seed, model::SlotChoice slots = {8192, 3}) {
    std::mt19937_64 rng(seed);
    const auto pick = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(rng); };
    model::Architecture a;
    a.slots = slots;
    a.plain_bits = 24;
    a.input = {4, 6, 6};
    a.input_scale = a.output_scale = 1;
    a.input_limit = 100;
    const int layers = pick(2, 14);
    for (int l = 0; l < layers; ++l) {
        model::Layer layer;
        layer.name = "layer" + std::to_string(l);
        layer.output = a.input;
        layer.share_bits = 9;
        layer.activation = l + 1 < layers;
        const int terms = pick(1, 4);
        for (int t = 0; t < terms; ++t) {
            model::Term term;
            term.source = pick(0, 2) ? std::max(0, l - pick(0, 2)) : pick(0, l);
            if (pick(0, 2) == 0) {
                term.kind = model::TermKind::kScale;
            } else if (pick(0, 1) == 0) {
                term.window = {3, 3, 1, 1, 1, 1, 1, 1};
            }
            if (pick(0, 4) == 0) term.pool = model::Window{3, 3, 1, 1, 1, 1, 1, 1};
            layer.terms.push_back(term);
        }
        a.layers.push_back(layer);
    }
    model::validate(a);
    return a;
}

/// Length of the longest path from the picture, by search from the value backwards.
int longest_path(const model::Architecture& a, int value) {
    int longest = 0;
    if (value > 0)
        for (const model::Term& term : a.layers[static_cast<std::size_t>(value - 1)].terms)
            longest = std::max(longest, 1 + longest_path(a, term.source));
    return longest;
}

TEST(Levels, EveryStreamHasTheDepthOfItsReadersAndAShallowerSource) {
    int uploaded_again = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        const model::Architecture a = random_graph(seed);
        const Plan plan = make_plan(a);
        ASSERT_TRUE(plan.has_levels());
        for (std::size_t l = 0; l < a.layers.size(); ++l) {
            const int depth = longest_path(a, static_cast<int>(l) + 1);
            ASSERT_EQ(plan.layers[l].depth, depth);
            for (std::size_t t = 0; t < a.layers[l].terms.size(); ++t) {
                const Stream& stream = plan.streams[static_cast<std::size_t>(plan.layers[l].term_streams[t])];
                ASSERT_EQ(stream.source, a.layers[l].terms[t].source);
                ASSERT_EQ(stream.depth, depth);
                ASSERT_GT(depth, longest_path(a, stream.source));
                if (stream.source == 0) ASSERT_EQ(stream.degree(), 2048u);
            }
        }
        for (const std::vector<std::size_t>& group : layer_groups(a))
            for (const std::size_t l : group) ASSERT_EQ(plan.layers[l].depth, plan.layers[group.front()].depth);
        for (const Stream& s : plan.streams)
            for (const Stream& t : plan.streams) uploaded_again += s.source == t.source && s.depth < t.depth;
    }
    EXPECT_GT(uploaded_again, 100);
}

/// Makes a plan's depths those of another function, consistently.
void set_depths(Plan& plan, const std::vector<int>& depths) {
    plan.value_depths = depths;
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        plan.layers[l].depth = depths[l + 1];
        for (const int id : plan.layers[l].term_streams)
            plan.streams[static_cast<std::size_t>(id)].depth = depths[l + 1];
    }
}

int refused(const std::function<void(const model::Architecture&, Plan&)>& change) {
    int count = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        const model::Architecture a = random_graph(seed);
        Plan plan = make_plan(a);
        EXPECT_NO_THROW(check_levels(a, plan));
        change(a, plan);
        try {
            check_levels(a, plan);
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::kInternal);
            ++count;
        }
    }
    return count;
}

TEST(Levels, PlansWithWrongDepthsAreRefused) {
    EXPECT_EQ(refused([](const auto&, Plan&) {}), 0);
    // Depths over convolutions only: an identity shortcut leads past them.
    EXPECT_GT(refused([](const model::Architecture& a, Plan& plan) {
                  std::vector<int> depths{0};
                  for (const model::Layer& layer : a.layers) {
                      int deepest = 0;
                      for (const model::Term& term : layer.terms)
                          if (term.kind == model::TermKind::kConvolution)
                              deepest = std::max(deepest, depths[static_cast<std::size_t>(term.source)]);
                      depths.push_back(deepest + 1);
                  }
                  set_depths(plan, depths);
              }),
              30);
    // One upload of a value for all its readers.
    EXPECT_GT(refused([](const model::Architecture&, Plan& plan) {
                  for (LinearPlan& linear : plan.layers)
                      for (int& id : linear.term_streams)
                          for (int other = 0; other < id; ++other)
                              if (plan.streams[static_cast<std::size_t>(other)].source ==
                                  plan.streams[static_cast<std::size_t>(id)].source)
                                  id = other;
              }),
              60);
    // One key for all depths.
    EXPECT_EQ(refused([](const model::Architecture&, Plan& plan) {
                  for (LinearPlan& linear : plan.layers) linear.depth = scheme::kAllDepths;
                  for (Stream& stream : plan.streams) stream.depth = scheme::kAllDepths;
              }),
              100);
    // A value under a key of its own depth.
    EXPECT_GT(refused([](const model::Architecture&, Plan& plan) { --plan.streams.back().depth; }), 90);
}

TEST(Levels, WhereKeysHaveNoneOneServesAllDepths) {
    for (const bool trust_server : {false, true})
        for (const model::SlotChoice slots : {model::SlotChoice{4096, 1}, model::SlotChoice{8192, 2}}) {
            model::Architecture a = random_graph(5, slots);
            a.trust_server = trust_server;
            const Plan plan = make_plan(a);
            EXPECT_EQ(plan.has_levels(), !trust_server);
            EXPECT_EQ(keys_have_levels(a), !trust_server);
            if (trust_server) {
                EXPECT_EQ(plan.keys(), std::vector<KeyName>{KeyName{}});
            } else {
                EXPECT_GT(plan.keys().size(), 1u);
            }
        }
}

TEST(Levels, ThePictureIsUploadedInTheLargeRingAtEveryDepth) {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        const model::Architecture a = random_graph(seed);
        for (const std::vector<std::size_t>& group : layer_groups(a)) {
            bool picture = false;
            for (const std::size_t l : group)
                for (const model::Term& term : a.layers[l].terms) picture = picture || term.source == 0;
            model::Architecture small = a;
            for (const std::size_t l : group) small.layers[l].packing.degree = 1024;
            if (picture)
                EXPECT_THROW(make_plan(small), Error);
            else
                EXPECT_NO_THROW(make_plan(small));
        }
    }
}

}  // namespace
}  // namespace flash::packing
