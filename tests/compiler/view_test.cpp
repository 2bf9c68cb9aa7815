// Views of a map: reshaping and transposing keep track of where its elements are.
#include "compiler/onnx/view.h"

#include <gtest/gtest.h>

namespace flash::compiler {
namespace {

constexpr Axis kC = Axis::kChannel, kH = Axis::kRow, kW = Axis::kColumn;
using Dims = std::vector<std::int64_t>;

TEST(View, ReshapingGroupsWholeAxes) {
    const View image = image_view(1, {3, 2, 5});
    EXPECT_EQ(image.dims(), (Dims{1, 3, 2, 5}));
    EXPECT_TRUE(image.image());
    const View rows = reshaped(image, {1, 3, 10}).value();
    EXPECT_EQ(rows.dimensions, (std::vector<Axes>{{}, {kC}, {kH, kW}}));
    EXPECT_EQ(rows.dimension_of(kC), 1u);
    EXPECT_FALSE(rows.dimension_of(kH));
    EXPECT_TRUE(reshaped(image, {1, 30})->flat());
    EXPECT_TRUE(reshaped(rows, {1, 3, 2, 5})->image());
    for (const Dims& dims : {Dims{1, 6, 5, 2}, Dims{1, 15, 2}, Dims{3, 3, 10}, Dims{1, 3, 2}, Dims{30, 0}})
        EXPECT_FALSE(reshaped(image, dims));
}

TEST(View, AxesOfExtentOneAreFree) {
    const View pooled = image_view(1, {4, 1, 1});
    EXPECT_TRUE(pooled.image());
    EXPECT_TRUE(reshaped(pooled, {1, 4})->flat());
    EXPECT_TRUE(reshaped(*reshaped(pooled, {1, 4}), {1, 4, 1, 1})->image());
    EXPECT_TRUE(reshaped(pooled, {1, 1, 1, 4})->channels_last());
}

TEST(View, PositionsFollowTheOrderOfTheTensor) {
    const View image = image_view(1, {2, 1, 3});
    EXPECT_EQ(image.positions(), (Dims{0, 1, 2, 3, 4, 5}));
    const View last = view_as(1, {2, 1, 3}, {{}, {kH}, {kW}, {kC}});
    EXPECT_TRUE(last.channels_last());
    EXPECT_FALSE(last.in_order());
    EXPECT_EQ(last.dims(), (Dims{1, 1, 3, 2}));
    EXPECT_EQ(last.positions(), (Dims{0, 3, 1, 4, 2, 5}));
}

}  // namespace
}  // namespace flash::compiler
