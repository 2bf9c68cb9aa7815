#include "model/kernels/gemm.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace flash::model::kernels {
namespace {

TEST(GemmTile, ImplementationsAgreeExactlyOnIntegers) {
    if (!has_avx2()) GTEST_SKIP() << "this processor has no AVX2 with FMA";
    std::mt19937_64 random(1);
    std::uniform_int_distribution<int> a_value(-127, 127);
    std::uniform_int_distribution<std::int64_t> b_value(-(std::int64_t{1} << 28), std::int64_t{1} << 28);
    for (std::size_t depth : {0u, 1u, 2u, 3u, 7u, 64u, 255u, 256u}) {
        std::vector<double> a(depth * kTileRows), b(depth * kTileColumns);
        for (double& value : a) value = a_value(random);
        for (double& value : b) value = static_cast<double>(b_value(random));
        const std::size_t stride = 11;
        std::vector<double> first(kTileRows * stride, 5.0), second = first;
        gemm_tile_portable(a.data(), b.data(), depth, first.data(), stride);
        gemm_tile_avx2(a.data(), b.data(), depth, second.data(), stride);
        EXPECT_EQ(first, second) << depth;
    }
}

}  // namespace
}  // namespace flash::model::kernels
