// What the noise bound rests on: no two taps of a term bring the same coefficient of an upload to the same result.
#include "packing/taps.h"

#include <gtest/gtest.h>

#include <set>

#include "packing/plan.h"

namespace flash::packing {
namespace {

model::Architecture one_layer(model::Shape input, const model::Window& window, int outputs,
                              const model::PackingChoice& packing) {
    model::Architecture a;
    a.name = "taps";
    a.plain_bits = 26;
    a.trust_server = true;  // uploads are shared across depths, the picture may be in any ring
    a.input = input;
    a.input_scale = 1;
    a.input_limit = 100;
    model::Layer& layer = a.layers.emplace_back();
    layer.name = "conv";
    layer.terms.resize(1);
    layer.terms[0].window = window;
    layer.output = {outputs, window.out_height(input.height), window.out_width(input.width)};
    layer.share_bits = 10;
    layer.packing = packing;
    return a;
}

int blocks_of(const model::Architecture& architecture, int degree) {
    const Grid grid = grid_of(architecture, {0}, {1, degree});
    return grid.channels_per_output;
}

TEST(Taps, BringEveryCoefficientToAResultAtMostOnce) {
    int looked_at = 0;
    for (int side : {1, 2, 3, 4, 7})
        for (int kernel : {1, 2, 3, 5, 7})
            for (int stride : {1, 2})
                for (int dilation : {1, 2})
                    for (int pad : {0, 1, 2, 3})
                        for (int degree : model::kDegrees)
                            for (int g1 : {1, 3, 16}) {
                                const model::Window window{kernel, kernel, stride, stride,   pad,
                                                           pad,    pad,    pad,    dilation, dilation};
                                if (window.out_height(side) < 1) continue;
                                const model::Architecture a = one_layer({20, side, side}, window, 40, {g1, degree});
                                if (g1 > blocks_of(a, degree)) continue;
                                const Plan plan = make_plan(a);
                                const Stream& stream = plan.streams.front();
                                const Grid& grid = plan.layers.front().grid;
                                std::set<std::pair<int, int>> found;  // input polynomial, shift mod n
                                for (const Tap& tap : taps_of(stream, window))
                                    for (int channel = 0; channel < stream.shape.channels; ++channel)
                                        for (int slot = 0; slot < grid.channels_per_output; ++slot) {
                                            const int packed = tap.submap * stream.shape.channels + channel;
                                            const int shift =
                                                (shift_of(grid, packed % g1, slot, tap) + grid.degree) % grid.degree;
                                            EXPECT_TRUE(found.emplace(packed / g1, shift).second)
                                                << side << "x" << side << ", kernel " << kernel << ", stride " << stride
                                                << ", dilation " << dilation << ", padding " << pad
                                                << ", n = " << degree << ", g1 = " << g1;
                                            ++looked_at;
                                        }
                            }
    EXPECT_GT(looked_at, 100000);
}

TEST(Taps, ThatReadOnlyPaddingAreLeftOut) {
    const auto count = [](model::Shape input, const model::Window& window) {
        const Plan plan = make_plan(one_layer(input, window, 4, {}));
        return taps_of(plan.streams.front(), window).size();
    };
    EXPECT_EQ(count({3, 1, 1}, {3, 3, 1, 1, 1, 1, 1, 1}), 1u);
    EXPECT_EQ(count({3, 1, 4}, {3, 3, 1, 1, 1, 1, 1, 1}), 3u);
    EXPECT_EQ(count({3, 2, 2}, {5, 5, 1, 1, 2, 2, 2, 2}), 9u);
    EXPECT_EQ(count({3, 2, 2}, {3, 3, 1, 1, 1, 1, 1, 1}), 9u);
    EXPECT_EQ(count({3, 2, 2}, {3, 3, 2, 2, 1, 1, 1, 1}), 4u);
    EXPECT_EQ(count({3, 8, 8}, {7, 7, 1, 1, 3, 3, 3, 3}), 49u);
}

}  // namespace
}  // namespace flash::packing
