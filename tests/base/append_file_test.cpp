#include "base/append_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/error.h"

namespace flash {
namespace {

class AppendFileTest : public testing::Test {
protected:
    void SetUp() override { std::filesystem::remove(path_); }
    void TearDown() override { std::filesystem::remove(path_); }
    void write(const std::string& text) const { std::ofstream(path_, std::ios::binary) << text; }
    std::string text() const {
        std::ifstream in(path_, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    const std::filesystem::path path_ =
        std::filesystem::temp_directory_path() / ("flash-append-" + std::to_string(::getpid()));
};

TEST_F(AppendFileTest, LinesGrowFromRunToRun) {
    { AppendFile(path_).append("one"); }
    AppendFile file(path_);
    EXPECT_EQ(file.lines(), std::vector<std::string>{"one"});
    EXPECT_EQ(file.incomplete(), "");
    file.append("two");
    file.append("three");
    EXPECT_EQ(text(), "one\ntwo\nthree\n");
}

TEST_F(AppendFileTest, OpeningChangesNothing) {
    for (const char* foreign : {"{\"a\": 1}", "a\nb", "\x89PNG\n\x1a"}) {
        write(foreign);
        { AppendFile file(path_); }
        EXPECT_EQ(text(), foreign);
    }
}

TEST_F(AppendFileTest, ALineTakesThePlaceOfOneThatWasCutOff) {
    write("one\ntw");
    AppendFile file(path_);
    EXPECT_EQ(file.lines(), std::vector<std::string>{"one"});
    EXPECT_EQ(file.incomplete(), "tw");
    file.append("two");
    file.append("three");
    EXPECT_EQ(text(), "one\ntwo\nthree\n");
}

TEST_F(AppendFileTest, IsOfOneAtATime) {
    const AppendFile file(path_);
    try {
        const AppendFile other(path_);
        FAIL() << "two at a time";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kFile);
        EXPECT_NE(std::string(error.what()).find("another process"), std::string::npos);
    }
}

}  // namespace
}  // namespace flash
