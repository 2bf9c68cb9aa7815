#include "base/log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace flash {
namespace {

/// Silent again at the end of each test.
class LogTest : public testing::Test {
protected:
    void TearDown() override { set_log({}); }
};

TEST_F(LogTest, IsSilentUntilSomebodyListens) {
    EXPECT_FALSE(log_wants(LogLevel::kError));
    log_error("nobody hears {}", 1);
    std::vector<std::string> lines;
    set_log(
        [&](LogLevel level, std::string_view line) { lines.push_back(to_string(level) + (": " + std::string(line))); });
    log_info("client {} left after {} inferences", "127.0.0.1:1", 3);
    log_line(LogLevel::kDebug, "too fine");
    set_log({});
    log_error("nobody hears this");
    EXPECT_EQ(lines, std::vector<std::string>{"info: client 127.0.0.1:1 left after 3 inferences"});
}

TEST_F(LogTest, LinesBelowTheLeastLevelAreNotMade) {
    int heard = 0;
    set_log([&](LogLevel, std::string_view) { ++heard; }, LogLevel::kError);
    EXPECT_FALSE(log_wants(LogLevel::kWarning));
    log_warning("quiet");
    log_error("loud");
    EXPECT_EQ(heard, 1);
}

TEST_F(LogTest, SinksMayThrow) {
    set_log([](LogLevel, std::string_view) { throw std::runtime_error("the sink's own"); });
    log_error("goes nowhere");
}

TEST_F(LogTest, NoLineReachesASinkThatWasReplaced) {
    std::atomic<bool> stop{false};
    std::vector<std::thread> writers;
    for (int i = 0; i < 3; ++i)
        writers.emplace_back([&] {
            while (!stop) log_info("line");
        });
    for (int i = 0; i < 200; ++i) {
        bool alive = true;  // the sink must not touch it once set_log() has returned
        std::atomic<int> heard{0};
        set_log([&](LogLevel, std::string_view) {
            EXPECT_TRUE(alive);
            ++heard;
        });
        std::this_thread::yield();
        set_log({});
        alive = false;
    }
    stop = true;
    for (std::thread& writer : writers) writer.join();
}

}  // namespace
}  // namespace flash
