#include "protocol/flow/prepared_items.h"

#include <gtest/gtest.h>

#include <memory>
#include <new>

#include "transport/loopback.h"

namespace flash::protocol {
namespace {

using Items = PreparedItems<std::unique_ptr<int>>;

TEST(PreparedItems, EachIsMadeOnceWhoeverMakesIt) {
    auto [channel, peer] = transport::make_loopback();
    Items items(*channel, "it failed", 2, {3, 2}, {1, 1}, [](std::size_t list, std::size_t index) {
        return std::make_unique<int>(static_cast<int>(10 * list + index));
    });
    EXPECT_EQ(*items.take(1, 1), 11);  // beyond the window
    EXPECT_EQ(*items.take(0, 0), 0);
    EXPECT_EQ(*items.take(0, 1), 1);
    EXPECT_EQ(*items.take(1, 0), 10);
    EXPECT_EQ(*items.take(0, 2), 2);
    EXPECT_THROW(items.take(0, 2), Error);
    EXPECT_EQ(items.failure(), nullptr);
}

TEST(PreparedItems, WhatStoppedTheThreadIsThrownToWhoeverWaitsForIt) {
    auto [channel, peer] = transport::make_loopback();
    Items items(*channel, "it failed", 8, {2}, {1}, [](std::size_t, std::size_t index) {
        if (index == 1) throw std::bad_alloc();
        return std::make_unique<int>(7);
    });
    while (!channel->error()) std::this_thread::yield();
    EXPECT_EQ(*items.take(0, 0), 7);
    EXPECT_THROW(items.take(0, 1), std::bad_alloc);
    ASSERT_NE(items.failure(), nullptr);
    EXPECT_THROW(std::rethrow_exception(items.failure()), std::bad_alloc);
}

}  // namespace
}  // namespace flash::protocol
