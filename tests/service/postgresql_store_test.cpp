// Budgets that servers share through PostgreSQL: a private one in a temporary folder, which its own user runs where
// the tests are root's (it refuses to be root's).
#ifdef FLASH_TEST_POSTGRESQL
#include "service/postgresql/postgresql_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "service/budgets.h"
#include "transport/raw_peer.h"
#include "transport/scratch.h"

namespace flash::service {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using TimePoint = Budgets::Clock::time_point;

constexpr TimePoint kNoon{std::chrono::days(20'000) + 12h};

/// The folder of the newest PostgreSQL of this machine, as Debian installs it.
std::optional<fs::path> programs() {
    std::optional<fs::path> newest;
    int highest = 0;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", error)) {
        const int version = std::atoi(entry.path().filename().c_str());
        if (version <= highest || !fs::exists(entry.path() / "bin/initdb")) continue;
        highest = version;
        newest = entry.path() / "bin";
    }
    return newest;
}

class PrivateServer {
public:
    explicit PrivateServer(const fs::path& programs) : programs_(programs) {
        if (const passwd* user = ::geteuid() == 0 ? ::getpwnam("nobody") : nullptr) {
            user_ = user->pw_uid;
            group_ = user->pw_gid;
            if (::chown((scratch_ / "").c_str(), *user_, *group_) != 0) throw std::runtime_error("no folder for it");
        }
        made_ =
            wait(run({"initdb", "-D", data(), "-A", "trust", "-U", "flash", "--no-sync", "--locale=C", "-E", "UTF8"}));
    }
    ~PrivateServer() { stop(); }
    bool start() {
        if (!made_) return false;
        server_ = run({"postgres", "-D", data(), "-k", data(), "-c", "listen_addresses=", "-c", "fsync=off"});
        for (int i = 0; i < 200; ++i) {
            if (wait(run({"pg_isready", "-q", "-h", data()}))) return true;
            std::this_thread::sleep_for(50ms);
        }
        return false;
    }
    void stop() {
        if (server_ <= 0) return;
        ::kill(server_, SIGINT);  // ends the connections
        wait(std::exchange(server_, -1));
    }
    std::string url() const { return "postgresql://flash:geheim@/postgres?host=" + data(); }

private:
    std::string data() const { return scratch_ / "data"; }
    pid_t run(const std::vector<std::string>& words) const {
        std::vector<std::string> copy = words;
        copy.front() = programs_ / copy.front();
        std::vector<char*> argv;
        for (std::string& word : copy) argv.push_back(word.data());
        argv.push_back(nullptr);
        const std::string log = scratch_ / "log";
        const pid_t child = ::fork();
        if (child != 0) return child;
        if (user_ && (::setgid(*group_) != 0 || ::setuid(*user_) != 0)) ::_exit(126);
        const int out = ::open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
        ::dup2(out, 1);
        ::dup2(out, 2);
        if (::chdir("/") == 0) ::execv(argv.front(), argv.data());
        ::_exit(127);
    }
    static bool wait(pid_t child) {
        int status = -1;
        ::waitpid(child, &status, 0);
        return status == 0;
    }

    const transport::testing::Scratch scratch_;
    const fs::path programs_;
    std::optional<uid_t> user_;
    std::optional<gid_t> group_;
    bool made_ = false;
    pid_t server_ = -1;
};

class SharedBudgets : public ::testing::Test {
protected:
    void SetUp() override {
        const auto found = programs();
        if (!found) GTEST_SKIP() << "PostgreSQL's server is not installed here (package postgresql)";
        server_ = std::make_unique<PrivateServer>(*found);
        ASSERT_TRUE(server_->start());
    }
    std::unique_ptr<Budgets> open() const { return std::make_unique<Budgets>(open_postgresql_store(server_->url())); }
    std::unique_ptr<PrivateServer> server_;
};

TEST_F(SharedBudgets, TwoServersGiveNoMoreThanThereIs) {
    const Tier tier{0, 0, 50};
    std::atomic<int> given{0};
    std::vector<std::thread> servers;
    for (int i = 0; i < 2; ++i)
        servers.emplace_back([&] {
            const auto budgets = open();
            std::vector<std::thread> sessions;
            for (int k = 0; k < 3; ++k)
                sessions.emplace_back([&] {
                    for (int query = 0; query < 15; ++query) given += !budgets->spend("a", tier, kNoon);
                });
            for (std::thread& session : sessions) session.join();
        });
    for (std::thread& server : servers) server.join();
    EXPECT_EQ(given, 50);
    const auto third = open();
    const auto spent = third->look("a", tier, kNoon + 1h);
    ASSERT_TRUE(spent);
    EXPECT_EQ(spent->window, Spent::Window::kDay);
    EXPECT_EQ(spent->until, kNoon + 12h);
    EXPECT_FALSE(third->look("it's \"b\"; DROP TABLE flash_spent", tier, kNoon));
    EXPECT_FALSE(third->spend("it's \"b\"; DROP TABLE flash_spent", tier, kNoon));
    EXPECT_TRUE(third->look("a", tier, kNoon));
    EXPECT_FALSE(third->spend("a", tier, kNoon + 24h));
}

TEST_F(SharedBudgets, WhileTheStoreIsAwayNothingIsFreeAndThenItGoesOn) {
    const Tier tier{0, 0, 2};
    const auto budgets = open();
    EXPECT_FALSE(budgets->spend("a", tier, kNoon));
    server_->stop();
    for (int i = 0; i < 2; ++i) {
        try {
            budgets->spend("a", tier, kNoon);
            ADD_FAILURE() << "nobody counted it";
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::kFile);
            EXPECT_THAT(error.what(), ::testing::HasSubstr("budgets in PostgreSQL: "));
            EXPECT_THAT(error.what(), ::testing::Not(::testing::HasSubstr("geheim")));
        }
    }
    ASSERT_TRUE(server_->start());
    EXPECT_FALSE(budgets->spend("a", tier, kNoon));
    EXPECT_TRUE(budgets->spend("a", tier, kNoon));
    server_->stop();
    ASSERT_TRUE(server_->start());
    EXPECT_TRUE(budgets->look("a", tier, kNoon));  // the first question finds the connection gone
}

TEST_F(SharedBudgets, AClockThatJumpsForgivesNothingAndOldDaysAreForgotten) {
    const Tier tier{0, 0, 1};
    const auto budgets = open();
    EXPECT_FALSE(budgets->spend("somebody", tier, kNoon));
    EXPECT_FALSE(budgets->spend("a", tier, kNoon + std::chrono::days(4'000)));
    EXPECT_TRUE(budgets->look("somebody", tier, kNoon));
    for (const int day : {4'020, 4'040}) EXPECT_FALSE(budgets->spend("a", tier, kNoon + std::chrono::days(day)));
    EXPECT_FALSE(budgets->look("somebody", tier, kNoon));
}

TEST_F(SharedBudgets, ACheckMakesNothing) {
    check_postgresql_store(server_->url());
    EXPECT_NO_THROW(open());
    server_->stop();
    EXPECT_THROW(check_postgresql_store(server_->url()), Error);
}

TEST(SharedBudgetsAway, AStoreThatDoesNotAnswerIsGivenUp) {
    transport::testing::RawListener silent;
    const std::string url = "postgresql://flash:geheim@127.0.0.1:" + std::to_string(silent.port()) + "/flash";
    const auto begin = std::chrono::steady_clock::now();
    try {
        open_postgresql_store(url);
        ADD_FAILURE() << "it was taken for a database";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), ::testing::HasSubstr("budgets in PostgreSQL: it does not answer"));
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

}  // namespace
}  // namespace flash::service
#endif
