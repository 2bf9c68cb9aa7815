#include "base/aligned.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace flash {
namespace {

TEST(Aligned, BlocksStartAtACacheLineAndDoNotOverlap) {
    struct Block {
        unsigned char* memory;
        std::size_t bytes;
        unsigned char mark;
    };
    std::mt19937 generator(1);
    std::vector<Block> blocks;
    const auto check_and_free = [&](std::size_t i) {
        for (std::size_t k = 0; k < blocks[i].bytes; ++k) ASSERT_EQ(blocks[i].memory[k], blocks[i].mark);
        free_at_cache_line(blocks[i].memory);
        blocks[i] = blocks.back();
        blocks.pop_back();
    };
    for (int round = 0; round < 3000; ++round) {
        const std::size_t bytes = generator() % (std::size_t{1} << (generator() % 18));
        void* const memory = allocate_at_cache_line(bytes);
        ASSERT_EQ(reinterpret_cast<std::uintptr_t>(memory) % kCacheLine, 0u) << bytes;
        blocks.push_back({static_cast<unsigned char*>(memory), bytes, static_cast<unsigned char>(generator())});
        std::memset(memory, blocks.back().mark, bytes);
        if (blocks.size() > 50) check_and_free(generator() % blocks.size());
    }
    while (!blocks.empty()) check_and_free(blocks.size() - 1);
    free_at_cache_line(nullptr);
}

TEST(Aligned, MoreThanThereIsIsRefused) {
    EXPECT_THROW(allocate_at_cache_line(std::numeric_limits<std::size_t>::max()), std::bad_alloc);
    EXPECT_THROW(AlignedAllocator<std::uint64_t>().allocate(std::numeric_limits<std::size_t>::max() / 4),
                 std::bad_alloc);
}

}  // namespace
}  // namespace flash
