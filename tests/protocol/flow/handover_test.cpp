#include "protocol/flow/handover.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace flash::protocol {
namespace {

TEST(Handover, KeepsTheOrder) {
    Handover<std::unique_ptr<int>> handover;
    std::thread maker([&] {
        for (int i = 0; i < 100; ++i) handover.put(std::make_unique<int>(i));
    });
    for (int i = 0; i < 100; ++i) {
        const auto item = handover.take();
        ASSERT_TRUE(item);
        EXPECT_EQ(**item, i);
    }
    maker.join();
}

TEST(Handover, ACancelWakesWhoWaits) {
    Handover<int> handover;
    std::optional<int> got = 1;
    std::thread waiting([&] { got = handover.take(); });
    handover.cancel();
    waiting.join();
    EXPECT_EQ(got, std::nullopt);
    handover.put(2);
    EXPECT_EQ(handover.take(), std::nullopt);
}

}  // namespace
}  // namespace flash::protocol
