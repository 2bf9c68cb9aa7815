#include "service/budgets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <optional>
#include <thread>
#include <vector>

#include "base/error.h"
#include "transport/refusal.h"
#include "transport/scratch.h"

namespace flash::service {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using TimePoint = Budgets::Clock::time_point;

constexpr TimePoint kNoon{std::chrono::days(20'000) + 12h};

TEST(Budgets, AMinuteHasSoManyInferences) {
    Budgets budgets("");
    const Tier tier{0, 3, 0};
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(budgets.look("a", tier, kNoon + 10s));
        EXPECT_FALSE(budgets.spend("a", tier, kNoon + 10s));
    }
    const std::optional<Spent> spent = budgets.spend("a", tier, kNoon + 20s);
    ASSERT_TRUE(spent);
    EXPECT_EQ(spent->window, Spent::Window::kMinute);
    EXPECT_EQ(spent->budget, 3u);
    EXPECT_EQ(spent->until, kNoon + 60s);
    EXPECT_TRUE(budgets.look("a", tier, kNoon + 59s));
    EXPECT_FALSE(budgets.spend("b", tier, kNoon + 20s));  // of its own
    EXPECT_FALSE(budgets.look("a", tier, kNoon + 60s));
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(budgets.spend("a", tier, kNoon + 60s));
    EXPECT_TRUE(budgets.spend("a", tier, kNoon + 60s));
}

TEST(Budgets, ADayHasSoManyWhateverTheMinutesAllow) {
    Budgets budgets("");
    const Tier tier{0, 2, 4};
    int given = 0;
    for (int minute = 0; minute < 10; ++minute)
        for (int i = 0; i < 3; ++i) given += !budgets.spend("a", tier, kNoon + std::chrono::minutes(minute));
    EXPECT_EQ(given, 4);
    const std::optional<Spent> spent = budgets.look("a", tier, kNoon + 1h);
    ASSERT_TRUE(spent);
    EXPECT_EQ(spent->window, Spent::Window::kDay);
    EXPECT_EQ(spent->until, kNoon + 12h);
    EXPECT_FALSE(budgets.spend("a", tier, kNoon + 12h));
}

TEST(Budgets, WhoHasNoBoundIsNotWrittenDown) {
    const transport::testing::Scratch scratch;
    const auto file = scratch / "budgets.db";
    {
        Budgets budgets(file);
        for (int i = 0; i < 100; ++i) EXPECT_FALSE(budgets.spend("free", {}, kNoon));
    }
    EXPECT_TRUE(Budgets(file).look("free", {0, 0, 1}, kNoon) == std::nullopt);
}

TEST(Budgets, ARestartForgivesNothing) {
    const transport::testing::Scratch scratch;
    const auto file = scratch / "budgets.db";
    const Tier tier{0, 0, 2};
    for (int start = 0; start < 2; ++start) {
        Budgets budgets(file);
        EXPECT_FALSE(budgets.spend("a", tier, kNoon));
    }
    struct stat facts {};
    ASSERT_EQ(::stat(file.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600u);
    EXPECT_TRUE(Budgets(file).spend("a", tier, kNoon));
    EXPECT_FALSE(Budgets(file).spend("a", tier, kNoon + 24h));
}

TEST(Budgets, SeveralServersShareAFileAndGiveNoMoreThanThereIs) {
    const transport::testing::Scratch scratch;
    const auto file = scratch / "budgets.db";
    const Tier tier{0, 0, 50};
    std::atomic<int> given{0};
    std::vector<std::thread> servers;
    for (int i = 0; i < 4; ++i)
        servers.emplace_back([&] {
            Budgets budgets(file);
            for (int k = 0; k < 25; ++k) given += !budgets.spend("a", tier, kNoon);
        });
    for (std::thread& server : servers) server.join();
    EXPECT_EQ(given, 50);
}

TEST(Budgets, AClockThatIsSetBackForgivesNothing) {
    Budgets budgets("");
    const Tier tier{0, 1, 5};
    EXPECT_FALSE(budgets.spend("a", tier, kNoon));
    EXPECT_TRUE(budgets.spend("a", tier, kNoon - 2h));
    EXPECT_TRUE(budgets.spend("a", tier, kNoon - 48h));
}

TEST(Budgets, DaysThatAreOverAreForgotten) {
    const transport::testing::Scratch scratch;
    const auto file = scratch / "budgets.db";
    const Tier tier{0, 0, 1};
    {
        Budgets budgets(file);
        EXPECT_FALSE(budgets.spend("somebody", tier, kNoon));
        for (const int day : {20, 40}) EXPECT_FALSE(budgets.spend("a", tier, kNoon + std::chrono::days(day)));
    }
    std::ifstream in(file, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(in), {}};
    EXPECT_THAT(content, HasSubstr("a"));
    EXPECT_FALSE(Budgets(file).look("somebody", tier, kNoon));
}

TEST(Budgets, AClockThatJumpsForAMomentForgivesNothing) {
    Budgets budgets("");
    const Tier tier{0, 0, 1};
    EXPECT_FALSE(budgets.spend("somebody", tier, kNoon));
    EXPECT_FALSE(budgets.spend("a", tier, kNoon + std::chrono::days(4'000)));
    EXPECT_TRUE(budgets.spend("a", tier, kNoon + std::chrono::days(4'000)));
    EXPECT_TRUE(budgets.look("somebody", tier, kNoon));
}

TEST(Budgets, WhileAnotherServerWritesSessionsComeAndGo) {
    const transport::testing::Scratch scratch;
    const auto file = scratch / "budgets.db";
    const Tier tier{2, 0, 5};
    Budgets budgets(file);
    EXPECT_FALSE(budgets.spend("a", tier, kNoon));
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &other), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
    auto waiting = std::async(std::launch::async, [&] { return budgets.spend("a", tier, kNoon).has_value(); });
    auto failing = std::async(std::launch::async, [&] {
        try {
            budgets.spend("b", tier, kNoon);
            return std::string();
        } catch (const Error& error) {
            return std::string(error.what());
        }
    });
    const auto begin = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(50ms);
    EXPECT_TRUE(budgets.sit("a", tier));
    EXPECT_FALSE(budgets.look("a", tier, kNoon));  // readers do not wait for writers
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
    EXPECT_EQ(waiting.wait_for(0ms), std::future_status::timeout);
    EXPECT_THAT(failing.get(), HasSubstr("locked"));
    EXPECT_THROW(waiting.get(), Error);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 4s);  // both at once, not one after the other
    ASSERT_EQ(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(other);
    EXPECT_FALSE(budgets.spend("a", tier, kNoon));
}

TEST(Budgets, AreCheckedWithoutWriting) {
    const transport::testing::Scratch scratch;
    check_budget_store(scratch / "budgets.db");
    EXPECT_FALSE(std::filesystem::exists(scratch / "budgets.db"));
    EXPECT_THROW(check_budget_store(scratch / "absent" / "budgets.db"), Error);
    std::ofstream(scratch / "text") << std::string(4096, 'x');
    EXPECT_THROW(check_budget_store(scratch / "text"), Error);
    { Budgets made(scratch / "budgets.db"); }
    check_budget_store(scratch / "budgets.db");
}

TEST(Budgets, SessionsAtATime) {
    Budgets budgets("");
    const Tier tier{2, 0, 0};
    auto first = budgets.sit("a", tier);
    auto second = budgets.sit("a", tier);
    EXPECT_TRUE(first && second);
    EXPECT_FALSE(budgets.sit("a", tier));
    EXPECT_TRUE(budgets.sit("b", tier));
    first.reset();
    EXPECT_TRUE(budgets.sit("a", tier));
    std::vector<Budgets::Seat> many;
    for (int i = 0; i < 100; ++i) many.push_back(*budgets.sit("free", {}));
    EXPECT_TRUE(budgets.sit("free", {}));
}

TEST(Budgets, TheSentenceSaysUntilWhen) {
    const Spent spent{Spent::Window::kDay, 1000, kNoon + 12h};
    const std::string sentence = spent.sentence(kNoon + 11h);
    EXPECT_THAT(sentence, HasSubstr("the budget of 1000 inferences a day is spent until 2024-10-05 00:00:00 UTC"));
    EXPECT_EQ(transport::retry_after(sentence), 3600s);
    EXPECT_EQ(transport::retry_after(spent.sentence(kNoon + 13h)), 1s);  // never: at once
}

TEST(Budgets, WhatCannotBeUsedIsSaid) {
    const transport::testing::Scratch scratch;
    EXPECT_THROW(Budgets(scratch / "absent" / "budgets.db"), Error);
    std::ofstream(scratch / "text") << std::string(4096, 'x');
    try {
        Budgets budgets(scratch / "text");
        ADD_FAILURE() << "a text was taken for a database";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kFile);
        EXPECT_THAT(error.what(), HasSubstr("budgets"));
    }
}

}  // namespace
}  // namespace flash::service
