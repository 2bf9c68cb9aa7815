// Where values lie in the streams of slots: every value once, where the client and the server look for it.
#include "protocol/activation/composite/slot_layout.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <set>

#include "base/error.h"

namespace flash::protocol {
namespace {

struct LayerShape {
    model::Shape output;
    bool activation = true;
};

model::Architecture architecture_of(model::SlotChoice slots, const std::vector<LayerShape>& shapes) {
    model::Architecture out;
    out.slots = slots;
    out.plain_bits = 24;
    for (const LayerShape& shape : shapes) {
        model::Layer layer;
        layer.output = shape.output;
        layer.share_bits = 9;
        layer.activation = shape.activation;
        out.layers.push_back(layer);
    }
    return out;
}

/// Tiny and large layers, few and odd channels, layers without an activation in between.
std::vector<LayerShape> random_shapes(std::uint64_t seed) {
    std::mt19937 random(static_cast<std::uint32_t>(seed));
    const auto up_to = [&](int most) { return 1 + static_cast<int>(random() % static_cast<unsigned>(most)); };
    std::vector<LayerShape> shapes;
    for (int l = up_to(12); l > 0; --l) {
        const int extent = random() % 3 == 0 ? up_to(150) : up_to(12);
        shapes.push_back({{up_to(random() % 2 ? 9 : 40), extent, up_to(extent)}, random() % 8 != 0});
    }
    return shapes;
}

void check(const model::Architecture& architecture) {
    const SlotLayout layout(architecture);
    const auto k = static_cast<std::size_t>(architecture.slots.moduli),
               n = static_cast<std::size_t>(architecture.slots.degree);
    std::vector<std::vector<bool>> taken(k);  // by slot of a stream
    std::size_t chunks = 0, answers = 0;
    for (int l = 0; l < layout.layers(); ++l) {
        const model::Layer& description = architecture.layers[static_cast<std::size_t>(l)];
        const SlotLayout::Layer& layer = layout.layer(l);
        ASSERT_EQ(layer.chunks > 0, description.activation);
        if (!description.activation) continue;
        // A layer begins in the last chunk so far or the next one, and no chunk is left out.
        ASSERT_LE(layer.first_chunk, chunks);
        ASSERT_GE(layer.first_chunk + 1, chunks);
        ASSERT_GE(layer.first_chunk + layer.chunks, chunks);
        chunks = layer.first_chunk + layer.chunks;
        answers += layer.chunks;
        const auto values = static_cast<std::size_t>(description.output.size()),
                   map = values / static_cast<std::size_t>(description.output.channels);
        std::vector<std::uint32_t> ids(values), channels(static_cast<std::size_t>(description.output.channels));
        std::iota(ids.begin(), ids.end(), 0u);
        std::iota(channels.begin(), channels.end(), 0u);
        std::vector<std::uint32_t> back(values, 0xffffffff);
        for (std::size_t chunk = 0; chunk < layer.chunks; ++chunk) {
            std::size_t count = 0;
            for (const SlotLayout::Piece& piece : layout.pieces(l, chunk)) {
                ASSERT_GT(piece.count, 0u);
                ASSERT_LE(piece.slot + piece.count, n);
                count += piece.count;
                std::vector<std::uint32_t> gathered(piece.count), of_channel(piece.count);
                layout.gather<std::uint32_t>(l, piece, ids, gathered);
                layout.expand<std::uint32_t>(l, piece, channels, of_channel);
                layout.scatter<std::uint32_t>(l, piece, gathered, back);
                std::vector<bool>& stream = taken[static_cast<std::size_t>(piece.group)];
                stream.resize(std::max(stream.size(), chunks * n));
                for (std::size_t i = 0; i < piece.count; ++i) {
                    const std::size_t channel = gathered[i] / map;
                    ASSERT_EQ(of_channel[i], channel);
                    ASSERT_EQ(piece.group,
                              model::channel_group(l + 1, static_cast<int>(channel), architecture.slots.moduli));
                    const std::size_t slot = (layer.first_chunk + chunk) * n + piece.slot + i;
                    ASSERT_FALSE(stream[slot]);
                    stream[slot] = true;
                }
            }
            ASSERT_GT(count, 0u);
            ASSERT_EQ(count, layout.values_in(l, chunk));
        }
        ASSERT_EQ(back, ids);  // every value once
        std::vector<std::size_t> found(layer.chunks);
        for (std::size_t element = 0; element < values;) {
            const SlotLayout::Place place = layout.place_of(l, element);
            ASSERT_LT(place.chunk, layer.chunks);
            found[place.chunk] += place.count;
            element += place.count;
        }
        for (std::size_t chunk = 0; chunk < layer.chunks; ++chunk) ASSERT_EQ(found[chunk], layout.values_in(l, chunk));
    }
    EXPECT_EQ(answers, layout.answers());
}

TEST(SlotLayout, EveryValueHasOneSlot) {
    for (const model::SlotChoice slots :
         {model::SlotChoice{4096, 1}, {8192, 2}, {8192, 3}, {16384, 6}, {16384, 7}, {4096, 5}})
        for (std::uint64_t seed = 0; seed < 25; ++seed) {
            SCOPED_TRACE(::testing::Message() << slots.degree << " " << slots.moduli << " " << seed);
            check(architecture_of(slots, random_shapes(seed)));
        }
}

TEST(SlotLayout, LayersShareChunks) {
    // 16 channels of 32 x 32, seven times: 114,688 values in chunks of 24,576.
    const std::vector<LayerShape> layers(7, {{16, 32, 32}});
    const SlotLayout layout(architecture_of({8192, 3}, layers));
    EXPECT_EQ(layout.layer(6).first_chunk + layout.layer(6).chunks, 5u);
    EXPECT_LE(layout.answers(), 12u);
    EXPECT_EQ(layout.layer(1).first_chunk, 0u);
    // A layer of one value lies where another one ends.
    const SlotLayout tiny(architecture_of({8192, 2}, {{{3, 4, 4}}, {{1, 1, 1}}, {{2, 1, 1}, false}, {{5, 1, 1}}}));
    for (int l : {0, 1, 3}) EXPECT_EQ(tiny.layer(l).first_chunk, 0u);
    EXPECT_EQ(tiny.answers(), 3u);
    EXPECT_EQ(tiny.values_in(1, 0), 1u);
    EXPECT_EQ(tiny.pieces(1, 0).size(), 1u);
}

// One channel of many values makes one stream run ahead; the others catch up.
TEST(SlotLayout, StreamsThatAreBehindCatchUp) {
    const SlotLayout layout(architecture_of({4096, 2}, {{{1, 100, 100}}, {{2, 3, 3}}, {{40, 20, 20}}}));
    EXPECT_EQ(layout.layer(0).chunks, 3u);
    EXPECT_EQ(layout.layer(1).first_chunk, 2u);
    EXPECT_EQ(layout.layer(1).chunks, 1u);
    for (const SlotLayout::Piece& piece : layout.pieces(1, 0))
        EXPECT_EQ(piece.slot, piece.group == model::channel_group(1, 0, 2) ? 10'000u - 2 * 4096 : 0u);
}

}  // namespace
}  // namespace flash::protocol
