#include "base/profile.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

namespace flash {
namespace {

// Some steps, as a recorder has them.
namespace step {
constexpr Step kSetup{0};
constexpr Step kEncrypt{1};
constexpr Step kSend{2};
constexpr Step kLinear{3};
constexpr Step kWaitLinear{4};
constexpr Step kDecrypt{5};
constexpr Step kServerVectors{6};
constexpr Step kRespond{7};
}  // namespace step

using namespace std::chrono_literals;

Profile::Span span(int layer, Step step, int begin_ms, int end_ms, std::uint64_t thread = 1) {
    Profile::Span out;
    out.layer = layer;
    out.step = step;
    out.thread = thread;
    out.begin = Profile::Clock::time_point(std::chrono::milliseconds(begin_ms));
    out.end = Profile::Clock::time_point(std::chrono::milliseconds(end_ms));
    return out;
}

double milliseconds(const Profile& profile, int layer, Step step) {
    for (const ProfileEntry& entry : summarise(profile))
        if (entry.layer == layer && entry.step == step) return 1e3 * entry.seconds;
    return -1;
}

TEST(Profile, ANullProfileRecordsNothing) {
    ProfileSpan span(nullptr, 3, step::kLinear);
    span.sent(5);
    span.received(6);
}

TEST(Profile, RecordsSpansWithTheirBytes) {
    Profile profile(Party::kServer);
    {
        ProfileSpan outer(&profile, 2, step::kSend);
        outer.sent(100);
        outer.sent(20);
        outer.received(3);
        std::this_thread::sleep_for(2ms);
    }
    EXPECT_EQ(profile.party(), Party::kServer);
    const auto spans = profile.spans();
    ASSERT_EQ(spans.size(), 1u);
    EXPECT_EQ(spans[0].layer, 2);
    EXPECT_EQ(spans[0].step, step::kSend);
    EXPECT_EQ(spans[0].bytes_sent, 120u);
    EXPECT_EQ(spans[0].bytes_received, 3u);
    EXPECT_GE(spans[0].end - spans[0].begin, 2ms);
    EXPECT_GE(wall_seconds(profile), 0.002);
}

TEST(Profile, NestedSpansCountForThemselves) {
    Profile profile(Party::kClient);
    // In the order in which nested spans end: 0..100 holds 10..30 and 40..90, which holds 50..60.
    profile.add(span(0, step::kWaitLinear, 10, 30));
    profile.add(span(0, step::kSend, 50, 60));
    profile.add(span(0, step::kEncrypt, 40, 90));
    profile.add(span(0, step::kDecrypt, 0, 100));
    EXPECT_DOUBLE_EQ(milliseconds(profile, 0, step::kWaitLinear), 20);
    EXPECT_DOUBLE_EQ(milliseconds(profile, 0, step::kSend), 10);
    EXPECT_DOUBLE_EQ(milliseconds(profile, 0, step::kEncrypt), 40);
    EXPECT_DOUBLE_EQ(milliseconds(profile, 0, step::kDecrypt), 30);
    EXPECT_DOUBLE_EQ(wall_seconds(profile), 0.1);
}

TEST(Profile, NeighboursAndEqualSpans) {
    Profile profile(Party::kClient);
    profile.add(span(0, step::kEncrypt, 0, 10));
    profile.add(span(0, step::kSend, 10, 20));  // begins when the other ends
    profile.add(span(1, step::kSend, 10, 10));  // no time at all
    profile.add(span(1, step::kRespond, 30, 40));
    profile.add(span(1, step::kDecrypt, 30, 40));  // recorded later, so the outer one
    EXPECT_DOUBLE_EQ(milliseconds(profile, 0, step::kEncrypt), 10);
    EXPECT_DOUBLE_EQ(milliseconds(profile, 0, step::kSend), 10);
    EXPECT_DOUBLE_EQ(milliseconds(profile, 1, step::kSend), 0);
    EXPECT_DOUBLE_EQ(milliseconds(profile, 1, step::kRespond), 10);
    EXPECT_DOUBLE_EQ(milliseconds(profile, 1, step::kDecrypt), 0);
}

TEST(Profile, ThreadsDoNotNestInEachOther) {
    Profile profile(Party::kServer);
    profile.add(span(0, step::kLinear, 0, 100, 1));
    profile.add(span(0, step::kServerVectors, 10, 90, 2));
    profile.add(span(1, step::kServerVectors, 95, 120, 2));
    EXPECT_DOUBLE_EQ(milliseconds(profile, 0, step::kLinear), 100);
    EXPECT_DOUBLE_EQ(milliseconds(profile, 0, step::kServerVectors), 80);
    EXPECT_DOUBLE_EQ(wall_seconds(profile), 0.12);
}

TEST(Profile, SummariseIsOrderedAndAddsUp) {
    Profile profile(Party::kClient);
    profile.add(span(1, step::kSend, 30, 31));
    profile.add(span(0, step::kSend, 10, 11));
    profile.add(span(Profile::kNoLayer, step::kSetup, 0, 5));
    auto bytes = span(0, step::kSend, 12, 14);
    bytes.bytes_sent = 7;
    bytes.bytes_received = 9;
    profile.add(bytes);
    profile.add(span(0, step::kEncrypt, 6, 10));
    const auto entries = summarise(profile);
    ASSERT_EQ(entries.size(), 4u);
    EXPECT_EQ(entries[0].step, step::kSetup);
    EXPECT_EQ(entries[0].layer, Profile::kNoLayer);
    EXPECT_EQ(entries[1].step, step::kEncrypt);
    EXPECT_EQ(entries[2].step, step::kSend);
    EXPECT_EQ(entries[2].spans, 2u);
    EXPECT_DOUBLE_EQ(entries[2].seconds, 0.003);
    EXPECT_EQ(entries[2].bytes_sent, 7u);
    EXPECT_EQ(entries[2].bytes_received, 9u);
    EXPECT_EQ(entries[3].layer, 1);
}

TEST(Profile, AnEmptyOne) {
    const Profile profile(Party::kClient);
    EXPECT_TRUE(summarise(profile).empty());
    EXPECT_EQ(wall_seconds(profile), 0);
}

TEST(Profile, ManyThreadsAtOnce) {
    Profile profile(Party::kServer);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&profile, t] {
            for (int i = 0; i < 500; ++i) {
                ProfileSpan outer(&profile, t, step::kLinear);
                ProfileSpan inner(&profile, t, step::kSend);
                inner.sent(1);
            }
        });
    for (std::thread& thread : threads) thread.join();
    std::set<std::uint64_t> ids;
    for (const Profile::Span& s : profile.spans()) ids.insert(s.thread);
    EXPECT_EQ(profile.spans().size(), 4000u);
    EXPECT_EQ(ids.size(), 4u);
    std::uint64_t sent = 0;
    for (const ProfileEntry& entry : summarise(profile)) {
        sent += entry.bytes_sent;
        EXPECT_GE(entry.seconds, -1e-9);
    }
    EXPECT_EQ(sent, 2000u);
}

}  // namespace
}  // namespace flash
