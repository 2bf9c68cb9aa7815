#include "base/progress.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace flash {
namespace {

class ProgressTest : public testing::Test {
protected:
    ProgressTest() : file_(std::tmpfile(), &std::fclose) {}

    Progress::Options options(bool terminal) const {
        Progress::Options options;
        options.out = file_.get();
        options.force_terminal = terminal;
        options.delay = std::chrono::milliseconds(0);
        options.interval = std::chrono::milliseconds(0);
        return options;
    }

    std::string written() const {
        std::fflush(file_.get());
        std::rewind(file_.get());
        std::string text;
        for (int c; (c = std::fgetc(file_.get())) != EOF;) text += static_cast<char>(c);
        return text;
    }

    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

TEST_F(ProgressTest, DrawsTheShareDone) {
    {
        Progress progress("eval", 2000, options(true));
        progress.set(1000);
    }
    const std::string text = written();
    EXPECT_NE(text.find("eval [############            ]  50%  1,000/2,000  ETA 0:00"), std::string::npos) << text;
    EXPECT_EQ(text.substr(text.size() - 4), "\r\033[K");
}

TEST_F(ProgressTest, IsSilentWhereThereIsNoTerminal) {
    {
        Progress progress("eval", 10, options(false));
        progress.advance(5);
    }
    EXPECT_EQ(written(), "");
}

TEST_F(ProgressTest, IsSilentForShortWork) {
    {
        Progress::Options slow = options(true);
        slow.delay = std::chrono::seconds(60);
        Progress progress("eval", 10, slow);
        for (int i = 0; i < 10; ++i) progress.advance();
        progress.finish();
        progress.advance();
    }
    EXPECT_EQ(written(), "");
}

TEST_F(ProgressTest, CountsWithoutATotal) {
    Progress progress("read", 0, options(true));
    progress.advance(12345);
    EXPECT_NE(written().find("read  12,345  0:00"), std::string::npos);
}

TEST_F(ProgressTest, CountsFromSeveralThreads) {
    Progress progress("work", 4000, options(true));
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 1000; ++i) progress.advance();
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(progress.done(), 4000u);
    EXPECT_NE(written().find("100%  4,000/4,000"), std::string::npos);
}

}  // namespace
}  // namespace flash
