#include "protocol/session_memory.h"

#include <gtest/gtest.h>

#include "support/random_model.h"

namespace flash::protocol {
namespace {

/// `layers` equal convolutions one after the other, and the result layer.
model::Architecture chain(int layers) {
    model::Architecture architecture =
        flash::testing::single_convolution({64, 56, 56}, 64, {3, 3, 1, 1, 1, 1, 1, 1}, 1).architecture;
    const model::Layer first = architecture.layers.front();
    model::Layer last = architecture.layers.back();
    architecture.layers.clear();
    for (int l = 0; l < layers; ++l) {
        architecture.layers.push_back(first);
        architecture.layers.back().terms.front().source = l;
    }
    for (model::Term& term : last.terms) term.source = layers;
    architecture.layers.push_back(last);
    return architecture;
}

SessionMemory memory_of(const model::Architecture& architecture) {
    const packing::Plan plan = packing::make_plan(architecture);
    return session_memory(architecture, plan, cost_of(architecture, plan));
}

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

TEST(SessionMemory, DoesNotGrowWithTheNumberOfLayers) {
    // Deep enough for everything that runs ahead to have reached its bound.
    const SessionMemory some = memory_of(chain(60)), more = memory_of(chain(120));
    const std::uint64_t keys = 60 * 64 * 1024;  // one for each depth, of 64 KiB
    EXPECT_LT(more.server, some.server + keys + kMiB) << "else only the names of the ciphertexts that were sent grow";
    EXPECT_LT(more.client, some.client + keys + kMiB);
    EXPECT_LT(more.server, 128 * kMiB);
    EXPECT_LT(more.client, 256 * kMiB);
}

TEST(SessionMemory, CountsWhatLaterLayersRead) {
    model::Architecture architecture = chain(40);
    const SessionMemory before = memory_of(architecture);
    // The last but one reads the value of the first as well.
    model::Term kept = architecture.layers[39].terms.front();
    kept.source = 1;
    architecture.layers[39].terms.push_back(kept);
    const SessionMemory after = memory_of(architecture);
    // The server keeps its upload, 4 bytes a value at least; the share itself goes with the first upload, as the same
    // layer reads it next.
    EXPECT_GE(after.server, before.server + 64 * 56 * 56 * 4);
}

TEST(SessionMemory, FollowsTheLargestLayer) {
    const auto of = [](model::Shape input) {
        return memory_of(flash::testing::single_convolution(input, 8, {3, 3, 1, 1, 1, 1, 1, 1}, 1).architecture);
    };
    const SessionMemory small = of({8, 32, 32}), large = of({8, 224, 224});
    EXPECT_GT(large.server, small.server + 2 * 8 * (224 * 224 - 32 * 32) * 4);
    EXPECT_GT(large.client, small.client + 2 * 8 * (224 * 224 - 32 * 32) * 4);
}

}  // namespace
}  // namespace flash::protocol
