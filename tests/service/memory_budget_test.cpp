#include "service/memory_budget.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

namespace flash::service {
namespace {

using namespace std::chrono_literals;

TEST(MemoryBudget, GivesNoMoreThanThereIs) {
    MemoryBudget budget(100);
    auto first = budget.take(60, 0ms);
    ASSERT_TRUE(first);
    EXPECT_FALSE(budget.take(41, 0ms));
    EXPECT_FALSE(budget.take(101, 10ms));
    {
        const auto second = budget.take(40, 0ms);
        ASSERT_TRUE(second);
        EXPECT_EQ(budget.taken(), 100u);
    }
    EXPECT_EQ(budget.taken(), 60u);
    first.reset();
    EXPECT_EQ(budget.taken(), 0u);
    EXPECT_TRUE(budget.take(100, 0ms));
}

TEST(MemoryBudget, WhatIsSpareLeavesHalfAndWaitsBehindAll) {
    MemoryBudget budget(100);
    auto first = budget.take_spare(30);
    ASSERT_TRUE(first);
    EXPECT_EQ(budget.taken(), 30u);
    EXPECT_FALSE(budget.take_spare(21));
    EXPECT_FALSE(budget.take_spare(~std::uint64_t{0}));
    EXPECT_TRUE(budget.take_spare(20));
    auto held = budget.take(60, 0ms);
    ASSERT_TRUE(held);
    EXPECT_FALSE(budget.take_spare(1));
    held.reset();
    auto large = std::async(std::launch::async, [&] { return budget.take(80, 10s); });
    while (budget.waiting() == 0) std::this_thread::sleep_for(1ms);
    EXPECT_FALSE(budget.take_spare(10));  // somebody waits
    first.reset();
    EXPECT_TRUE(large.get());
}

TEST(MemoryBudget, SmallSharesDoNotOvertakeALargeOne) {
    MemoryBudget budget(100);
    auto held = budget.take(50, 0ms);
    auto large = std::async(std::launch::async, [&] { return budget.take(80, 10s); });
    while (budget.waiting() == 0) std::this_thread::sleep_for(1ms);
    EXPECT_FALSE(budget.take(10, 20ms));  // there is room for it, but somebody came first
    held.reset();
    const auto got = large.get();
    ASSERT_TRUE(got);
    EXPECT_TRUE(budget.take(10, 0ms));
    EXPECT_EQ(budget.waiting(), 0u);
}

TEST(MemoryBudget, WhoeverGivesUpBlocksNobody) {
    MemoryBudget budget(100);
    const auto held = budget.take(50, 0ms);
    auto large = std::async(std::launch::async, [&] { return budget.take(80, 100ms).has_value(); });
    while (budget.waiting() == 0) std::this_thread::sleep_for(1ms);
    EXPECT_TRUE(budget.take(10, 10s));
    EXPECT_FALSE(large.get());
}

}  // namespace
}  // namespace flash::service
