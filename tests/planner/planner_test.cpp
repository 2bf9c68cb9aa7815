// The planner's counts against what the server builds, its time model's behaviour, and that what it chooses is what a
// plan then has.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "packing/choose_packing.h"
#include "packing/upload_bits.h"
#include "planner/choose_slots.h"
#include "planner/pack_for.h"
#include "planner/time_model.h"
#include "planner/work.h"
#include "protocol/prepared_model.h"
#include "support/private_run.h"
#include "support/random_model.h"

namespace flash::planner {
namespace {

/// Rates of an imaginary machine, so that nothing depends on this one.
Rates rates() {
    Rates r;
    r.prepare_upload = 8e-6;
    r.encrypt = 3e-6;
    r.decrypt = 7e-6;
    r.decrypt_value = 2e-9;
    r.add_share = 5e-6;
    r.mask = 14e-6;
    r.mask_value = 2e-9;
    for (std::size_t i = 0; i < r.chunk.size(); ++i) {
        const auto& shape = scheme::kCompositeShapes[i];
        const double values = static_cast<double>(shape.degree) * shape.residues;
        r.chunk[i] = r.wide_chunk[i] = {4e-9 * values, 24e-9 * values, 18e-9 * values, 6e-9 * values};
    }
    r.shift_coefficient = 1e-10;
    r.product = {4.5e-12, 3e-6, 1e-10};
    r.setup = 2e-3;
    r.tls_byte = 1e-9;
    r.tls_turn = 300e-6;
    r.memory_byte = 1e-10;
    r.memory_turn = 150e-6;
    return r;
}

Setting over(const char* link, int cores = 2) {
    Setting setting;
    setting.link = transport::parse_link(link);
    setting.cores = cores;
    return setting;
}

std::vector<LayerWork> work_of(const model::Architecture& architecture) {
    const packing::Plan plan = packing::make_plan(architecture);
    return network_work(architecture, plan, protocol::cost_of(architecture, plan), rates());
}

double seconds(const model::Architecture& architecture, const Setting& setting) {
    return predict(work_of(architecture), rates(), setting).seconds();
}

TEST(Work, CountsTheMemoryThatTheServerHolds) {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        const protocol::PreparedModel prepared(testing::random_model(seed));
        for (std::size_t l = 0; l < prepared.architecture().layers.size(); ++l)
            EXPECT_EQ(
                layer_work(prepared.architecture(), prepared.plan(), prepared.cost(), static_cast<int>(l), rates())
                    .half_memory,
                prepared.layer(static_cast<int>(l)).a.size() * sizeof(std::uint32_t))
                << "seed " << seed << ", layer " << l;
    }
    // One map a polynomial: no machine takes transforms for it, and the weights are as many as the plain convolution's.
    const protocol::PreparedModel prepared(testing::single_convolution({64, 40, 40}, 64, {3, 3, 1, 1, 1, 1, 1, 1}, 1));
    const LayerWork work = layer_work(prepared.architecture(), prepared.plan(), prepared.cost(), 0, rates());
    EXPECT_FALSE(work.transforms);
    EXPECT_NEAR(static_cast<double>(work.weight_memory), static_cast<double>(prepared.layer(0).map.memory_bytes()),
                0.15 * static_cast<double>(work.weight_memory));
}

TEST(Work, CountsTheBytesOfTheProtocol) {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        const testing::SourcedModel prepared(testing::random_model(seed));
        const auto run = testing::run_privately(prepared, testing::random_input(prepared.architecture(), seed));
        std::uint64_t bytes = prepared.cost().start_up + prepared.cost().start_down;
        for (const LayerWork& work : work_of(prepared.architecture())) bytes += work.bytes();
        EXPECT_EQ(bytes, run.traffic.bytes_sent + run.traffic.bytes_received) << "seed " << seed;
    }
}

TEST(TimeModel, SlowerLinksAndFewerCoresTakeLonger) {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        const model::Model model = testing::random_model(seed);
        const model::Architecture& a = model.architecture;
        EXPECT_LT(seconds(a, over("none")), seconds(a, over("lan")));
        EXPECT_LT(seconds(a, over("lan")), seconds(a, over("wan")));
        EXPECT_LT(seconds(a, over("1M,40ms")), seconds(a, over("1M,80ms")));
        EXPECT_LE(seconds(a, over("lan", 16)), seconds(a, over("lan", 1)));
        Setting shared = over("lan");
        shared.shared_cores = true;
        EXPECT_GE(seconds(a, shared), seconds(a, over("lan")));
        // Every layer is a turn, and no byte travels for nothing.
        const double layers = static_cast<double>(a.layers.size());
        EXPECT_GE(seconds(a, over("1M,40ms")), layers * 0.04);
        double down = 0;
        for (const LayerWork& work : work_of(a)) down += static_cast<double>(work.response + work.key_bytes);
        EXPECT_GE(seconds(a, over("1M,0ms")), down * 8 / 1e6);
    }
}

TEST(TimeModel, WorkAheadOfNeedHidesBehindASlowLink) {
    // Two layers on a link of long turns: the second layer's keys cost nothing while the first waits.
    LayerWork layer;
    layer.keys = 10e-3;
    Setting setting = over("1G,100ms", 1);
    Rates r = rates();
    r.setup = r.tls_turn = r.tls_byte = 0;
    const double both = predict({layer, layer}, r, setting).seconds();
    EXPECT_NEAR(both, 3 * 0.1 + 10e-3, 1e-6);  // the start, two turns, and the first layer's keys
    setting.link.reset();
    EXPECT_NEAR(predict({layer, layer}, r, setting).seconds(), 20e-3, 1e-6);
}

TEST(Choose, ItsAlternativesAreWhatThePlanThenCosts) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        const model::Model model = testing::random_model(seed);
        for (const char* link : {"none", "lan", "10M,1ms"}) {
            const Setting setting = over(link);
            const auto choices = alternatives(model.architecture, rates(), setting);
            std::size_t layers = 0;
            for (const GroupChoice& choice : choices) {
                ASSERT_FALSE(choice.alternatives.empty());
                layers += choice.layers.size();
                // One group changed, the others by default: the alternative's time and bytes.
                const TimedPacking& last = choice.alternatives.back();
                model::Architecture changed = model.architecture;
                for (model::Layer& layer : changed.layers) layer.packing.channels_per_input = 0;
                for (int l : choice.layers) changed.layers[static_cast<std::size_t>(l)].packing = last.packing;
                EXPECT_NEAR(seconds(changed, setting), last.seconds, 1e-9) << "seed " << seed;
                std::uint64_t bytes = 0;
                const auto work = work_of(changed);
                for (int l : choice.layers) bytes += work[static_cast<std::size_t>(l)].bytes();
                EXPECT_EQ(bytes, last.bytes) << "seed " << seed;
            }
            EXPECT_EQ(layers, model.architecture.layers.size());
            model::Architecture standard = model.architecture, planned = model.architecture;
            for (model::Layer& layer : standard.layers) layer.packing.channels_per_input = 0;
            fix_packing(choices, planned);
            EXPECT_LE(seconds(planned, setting), seconds(standard, setting) * 1.002)
                << "seed " << seed << " over " << link;
        }
    }
}

TEST(Choose, ARepackedModelStillAnswersAsItsTwin) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        model::Model model = testing::random_model(seed);
        fix_packing(alternatives(model.architecture, rates(), over("none")), model.architecture);
        const testing::SourcedModel prepared(std::move(model));
        const auto run = testing::run_privately(prepared, testing::random_input(prepared.architecture(), seed));
        EXPECT_EQ(run.audit.wrong_activations(), 0) << "seed " << seed;
    }
}

TEST(Choose, RingsWhereTheNoiseFits) {
    std::size_t small = 0, offered = 0;
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        testing::RandomModelOptions options;
        options.mixed_rings = false;
        options.share_bits = 9;
        model::Model model = testing::random_model(seed, options);
        const packing::Energies energies = packing::weight_energies(model.architecture, model.weights);
        const auto choices = alternatives(model.architecture, rates(), over("10M,1ms"), &energies);
        for (const GroupChoice& choice : choices) {
            const std::vector<std::size_t> group(choice.layers.begin(), choice.layers.end());
            if (choice.alternatives.size() > 1) {
                for (const TimedPacking& a : choice.alternatives)
                    EXPECT_TRUE(packing::noise_fits(model.architecture, energies, group, a.packing));
            }
            const bool has_small = std::ranges::any_of(choice.alternatives,
                                                       [](const TimedPacking& a) { return a.packing.degree == 1024; });
            offered += has_small;
            small += choice.alternatives.front().packing.degree == 1024;
        }
        fix_packing(choices, model.architecture);
        packing::choose_upload_bits(model.architecture, model.weights);
        const testing::SourcedModel prepared(std::move(model));
        const auto run = testing::run_privately(prepared, testing::random_input(prepared.architecture(), seed));
        EXPECT_EQ(run.audit.wrong_activations(), 0) << "seed " << seed;
        EXPECT_LT(run.audit.largest_error(), 1.4) << "seed " << seed;
    }
    EXPECT_GT(offered, 8u);
    EXPECT_GT(small, 4u);
}

TEST(PackFor, RepacksAsTheFirstAlternativesSay) {
    model::Model model = testing::random_model(3);
    const TimedPlan timed = time_plan(model, rates(), over("10M,1ms"));
    ASSERT_EQ(timed.work.size(), model.architecture.layers.size());
    repack(timed.choices, model);
    for (const GroupChoice& choice : timed.choices)
        for (int l : choice.layers)
            EXPECT_EQ(model.architecture.layers[l].packing, choice.alternatives.front().packing);
    EXPECT_LE(time_plan(model, rates(), over("10M,1ms")).prediction.seconds(), 1.002 * timed.prediction.seconds());
}

TEST(PackFor, RefusesAModelThatIsTooNoisyInEveryPacking) {
    model::Model model = testing::single_convolution({64, 6, 6}, 8, {3, 3, 1, 1, 1, 1, 1, 1}, 1, 16);
    std::ranges::fill(model.weights.layers[0].terms[0].weights, std::int8_t{127});
    model.weights.layers[0].terms[0].multiplier = 1000;
    try {
        repack(time_plan(model, rates(), over("lan")).choices, model);
        ADD_FAILURE() << "repacked all the same";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kRange) << error.what();
    }
}

TEST(Choose, BandwidthDecides) {
    // Small maps: many outputs a response mean fewer of them, and more uploads, which take this machine long. Over a
    // slow link the bytes decide; without a link it is the work.
    const model::Model model = testing::single_convolution({256, 8, 8}, 256, {3, 3, 1, 1, 1, 1, 1, 1}, 1);
    Rates slow_uploads = rates();
    slow_uploads.encrypt = 300e-6;
    const auto bytes_and_work = [&](const Setting& setting) {
        model::Architecture planned = model.architecture;
        const auto choices = alternatives(model.architecture, slow_uploads, setting);
        EXPECT_GT(choices.front().alternatives.size(), 3u);
        fix_packing(choices, planned);
        std::pair<double, double> sums{0, 0};
        const packing::Plan plan = packing::make_plan(planned);
        for (const LayerWork& work : network_work(planned, plan, protocol::cost_of(planned, plan), slow_uploads)) {
            sums.first += static_cast<double>(work.bytes());
            sums.second += work.client() + work.server();
        }
        return sums;
    };
    Setting one_core = over("none", 1);
    one_core.shared_cores = true;
    const auto slow = bytes_and_work(over("1M,0ms")), fast = bytes_and_work(one_core);
    EXPECT_LT(slow.first, fast.first);
    EXPECT_GT(slow.second, fast.second);
}

TEST(ChooseSlots, AreThoseThatCanServeTheBestFirst) {
    const model::Model model = testing::random_model(5, {.slots = {8192, 2}, .plain_bits = 24});
    const Timing timing{rates(), over("10M,10ms")};
    for (const Timing* t : {static_cast<const Timing*>(nullptr), &timing}) {
        const std::vector<TimedSlots> ranked = rank_slots(model.architecture, t);
        ASSERT_EQ(ranked.size(), std::size(scheme::kCompositeShapes));
        EXPECT_TRUE(std::ranges::is_sorted(ranked, is_better));
        for (const TimedSlots& slots : ranked) {
            model::Architecture a = model.architecture;
            a.slots = slots.slots;
            const protocol::InferenceCost cost = protocol::cost_of(a, packing::make_plan(a));
            EXPECT_EQ(slots.bytes, cost.up() + cost.down());
            EXPECT_LE(slots.log2_wrong, -30);
            if (t)
                EXPECT_NEAR(slots.seconds, seconds(a, timing.setting), 1e-9);
            else
                EXPECT_EQ(slots.seconds, 0);
        }
        // A small network answers for whole chunks.
        EXPECT_EQ(ranked.front().slots, (model::SlotChoice{4096, 1}));
    }
    // 28 bits: no room in the ring of 4096, nor for three values in that of 8192.
    model::Architecture wide = model.architecture;
    wide.plain_bits = 28;
    for (const TimedSlots& slots : rank_slots(wide, nullptr)) {
        EXPECT_NE(slots.slots, (model::SlotChoice{4096, 1}));
        EXPECT_NE(slots.slots, (model::SlotChoice{8192, 3}));
    }
    wide.slots = {8192, 3};
    EXPECT_FALSE(can_serve(wide));
    EXPECT_FALSE(weigh_slots(wide, nullptr).has_value());
    wide.slots = {8192, 2};
    EXPECT_TRUE(can_serve(wide));
}

TEST(ChooseSlots, LargeNetworksTakeLargeRings) {
    const model::Model model = testing::single_convolution({8, 112, 112}, 64, {3, 3, 1, 1, 1, 1, 1, 1}, 1);
    model::Architecture a = model.architecture;
    a.plain_bits = 24;
    EXPECT_EQ(rank_slots(a, nullptr).front().slots.degree, 16384);
}

void expect_sensible(const ShapeRates& chunks) {
    for (const ChunkRates& chunk : chunks)
        for (double rate : {chunk.prepare, chunk.respond, chunk.vectors, chunk.finish}) {
            EXPECT_GT(rate, 0);
            EXPECT_LT(rate, 1);
        }
}

TEST(Rates, AreMeasured) {
    const Rates r = measure_rates({.plain_bits = 24});
    for (double rate : {r.prepare_upload, r.encrypt, r.decrypt, r.mask, r.shift_coefficient,
                        r.product.direct_multiply_add, r.setup, r.tls_byte, r.memory_byte}) {
        EXPECT_GT(rate, 0);
        EXPECT_LT(rate, 1);
    }
    expect_sensible(r.chunk);
    // A chunk of four times the values takes longer.
    EXPECT_GT(r.chunk_of({16384, 6}, 24).respond, r.chunk_of({8192, 3}, 24).respond);
    EXPECT_GE(r.tls_turn, r.memory_turn);
    // T of this width alone.
    for (const ChunkRates& chunk : r.wide_chunk) EXPECT_EQ(chunk.respond, 0);
}

TEST(Rates, OfSinesBeforeTIsChosen) {
    const Rates r = measure_rates({.sines_only = true});
    expect_sensible(r.chunk);
    // Two products have room in every shape but the largest number of values.
    for (const model::SlotChoice& slots : {model::SlotChoice{8192, 2}, {8192, 3}, {16384, 6}})
        EXPECT_GT(r.chunk_of(slots, 27).respond, 0);
}

TEST(Rates, AreOfTheNetworkThatIsPlanned) {
    model::Architecture a = testing::single_convolution({8, 12, 12}, 4, {3, 3, 1, 1, 1, 1, 1, 1}, 1).architecture;
    a.plain_bits = 26;
    EXPECT_EQ(rated(a).plain_bits, 26);
    EXPECT_EQ(rated(a).share_bits, a.layers.front().share_bits);
    a.layers.front().activation = true;
    a.layers.front().curve = model::Curve::kSquare;
    EXPECT_FALSE(rated(a).sines_only);
    a.layers.front().curve = model::Curve::kSine;
    EXPECT_TRUE(rated(a).sines_only);
}

}  // namespace
}  // namespace flash::planner
