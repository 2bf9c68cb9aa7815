#include "service/watchdog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "transport/loopback.h"

namespace flash::service {
namespace {

using namespace std::chrono_literals;
using transport::MessageType;

constexpr MessageType kSome{4};

TEST(Watchdog, EndsWhatTakesTooLongAndTellsThePeer) {
    Watchdog dog;
    auto [here, there] = transport::make_loopback();
    Watchdog::Watch watch(dog, *here);
    watch.arm(50ms, "it took longer than it may");
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_THROW(here->receive(kSome), Error);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);  // the channel's own limit is 30
    EXPECT_EQ(watch.bitten(), "it took longer than it may");
    try {
        there->receive(kSome);
        ADD_FAILURE() << "the peer was told nothing";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kRemote);
        EXPECT_THAT(error.what(), ::testing::HasSubstr("it took longer than it may"));
    }
}

TEST(Watchdog, LeavesAloneWhatIsInTime) {
    Watchdog dog;
    auto [here, there] = transport::make_loopback();
    {
        Watchdog::Watch watch(dog, *here);
        watch.arm(50ms, "never said");
        watch.arm(10s, "never said either");  // a later step has a deadline of its own
        there->send({kSome, 0, 0, {1}});
        EXPECT_EQ(here->receive(kSome).payload.size(), 1u);
        std::this_thread::sleep_for(100ms);
        watch.disarm();
        EXPECT_EQ(watch.bitten(), std::nullopt);
    }
    EXPECT_FALSE(here->error());
}

}  // namespace
}  // namespace flash::service
