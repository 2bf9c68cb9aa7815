#include "service/file_stamp.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <string>

namespace flash::service {
namespace {

namespace fs = std::filesystem;

TEST(FileStamp, TellsAFileFromItsSuccessorOfTheSameSizeAndDate) {
    std::string name = (fs::temp_directory_path() / "flash-stamp-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    const fs::path file = fs::path(name) / "file", other = fs::path(name) / "other";
    EXPECT_EQ(stamp_of(file), std::nullopt);
    std::ofstream(file) << "before";
    const auto seen = stamp_of(file);
    ASSERT_TRUE(seen.has_value());
    EXPECT_EQ(stamp_of(file), seen);
    std::ofstream(other) << "after!";
    fs::last_write_time(other, fs::last_write_time(file));
    fs::rename(other, file);
    EXPECT_NE(stamp_of(file), seen);
    fs::remove_all(name);
}

}  // namespace
}  // namespace flash::service
