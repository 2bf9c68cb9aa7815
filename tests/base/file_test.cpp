#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "base/error.h"

namespace flash {
namespace {

namespace fs = std::filesystem;

class File : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "flash-base-file-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override { fs::remove_all(folder_); }
    fs::path folder_;
};

TEST_F(File, WritesPartsAndReadsThem) {
    const std::array<std::uint8_t, 3> a{1, 2, 3};
    const std::array<std::uint8_t, 2> b{4, 5};
    const std::span<const std::uint8_t> parts[] = {a, {}, b};
    const fs::path path = folder_ / "x";
    for (int i = 0; i < 2; ++i) {  // new, then replaced
        write_file(path, parts);
        EXPECT_EQ(read_file(path.string(), 5), (std::vector<std::uint8_t>{1, 2, 3, 4, 5}));
        EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write);
        fs::permissions(path, fs::perms::all);
    }
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
    EXPECT_THROW(read_file(path.string(), 4), Error);

    const RandomAccessFile file(path.string());
    EXPECT_EQ(file.size(), 5u);
    std::array<std::uint8_t, 2> some{};
    file.read_at(2, some);
    EXPECT_EQ(some, (std::array<std::uint8_t, 2>{3, 4}));
    EXPECT_THROW(file.read_at(4, some), Error);
}

TEST_F(File, RefusesWhatIsNoRegularFile) {
    EXPECT_THROW(RandomAccessFile(folder_.string()), Error);
    EXPECT_THROW(RandomAccessFile((folder_ / "absent").string()), Error);
    ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
    EXPECT_THROW(RandomAccessFile((folder_ / "fifo").string()), Error);
    fs::create_directories(folder_ / "full" / "inside");
    EXPECT_THROW(write_file(folder_ / "full", {}), Error);
    EXPECT_THROW(write_file(folder_ / "no" / "such", {}), Error);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 2) << "no temporary file stays";
}

}  // namespace
}  // namespace flash
