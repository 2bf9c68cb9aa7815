#include "service/web_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace flash::service {
namespace {

namespace fs = std::filesystem;

class WebFilesTest : public ::testing::Test {
protected:
    void SetUp() override {
        root_ = fs::path(::testing::TempDir()) / ("flash web files " + std::to_string(::getpid()));
        fs::create_directories(root_ / "page" / "assets");
        write("secret.html", "not for anybody");
        write("page/index.html", "<p>hello");
        write("page/assets/core.wasm", std::string("\0asm", 4));
        write("page/.hidden.html", "not this");
        write("page/notes.txt", "nor this");
        fs::create_symlink(root_ / "secret.html", root_ / "page" / "link.html");
        fs::create_directory_symlink(root_, root_ / "page" / "up");
    }
    void TearDown() override { fs::remove_all(root_); }
    void write(const std::string& name, const std::string& text) {
        std::ofstream(root_ / name, std::ios::binary) << text;
    }
    fs::path root_;
};

TEST_F(WebFilesTest, GivesFilesWithTheirTypes) {
    const WebFiles files(root_ / "page");
    const HttpAnswer page = files.answer("/");
    EXPECT_EQ(page.status, 200);
    EXPECT_EQ(page.type, "text/html; charset=utf-8");
    EXPECT_EQ(page.body, "<p>hello");
    EXPECT_NE(page.more_headers.find("Content-Security-Policy: default-src 'none'"), std::string::npos);
    EXPECT_EQ(files.answer("/index.html").body, page.body);
    const HttpAnswer core = files.answer("/assets/core.wasm");
    EXPECT_EQ(core.type, "application/wasm");
    EXPECT_EQ(core.body, std::string("\0asm", 4));
}

TEST_F(WebFilesTest, GivesNothingElse) {
    const WebFiles files(root_ / "page");
    for (const char* path :
         {"/../secret.html", "/assets/../../secret.html", "/..%2fsecret.html", "/%2e%2e/secret.html", "/link.html",
          "/up/secret.html", "/.hidden.html", "/notes.txt", "/assets", "/assets/", "//index.html", "index.html", ""})
        EXPECT_EQ(files.answer(path).status, 404) << path;
}

TEST_F(WebFilesTest, RefusesFoldersThatAreNoPage) {
    EXPECT_THROW(WebFiles(root_ / "page" / "assets"), Error);
    EXPECT_THROW(WebFiles(root_ / "nowhere"), Error);
}

}  // namespace
}  // namespace flash::service
