// The compiler's use of the small ring.
#include <gtest/gtest.h>

#include "compiler/compile.h"
#include "packing/plan.h"
#include "support/random_network.h"

namespace flash::compiler {
namespace {

std::size_t small_groups(const model::Architecture& architecture) {
    std::size_t count = 0;
    for (const auto& group : packing::layer_groups(architecture))
        count += packing::choice_of(architecture, group).degree == 1024;
    return count;
}

TEST(SmallRing, IsChosenByTheCompilerUnlessForbidden) {
    std::size_t small = 0;
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        const testing::RandomNetwork random = testing::random_network(seed);
        CompileOptions options;
        options.plain_bits = 24;
        options.share_bits = 8;
        options.result_bits = 12;
        const auto images = random.images(8, seed);
        small += small_groups(compile(import_onnx(random.onnx, "random"), images, options).model.architecture);
        options.small_ring = false;
        EXPECT_EQ(small_groups(compile(import_onnx(random.onnx, "random"), images, options).model.architecture), 0u);
    }
    EXPECT_GT(small, 3u);
}

}  // namespace
}  // namespace flash::compiler
