#include "base/sha1.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/hash.h"

namespace flash {
namespace {

TEST(Sha1, OfFilesFromTheirBeginning) {  // FIPS 180-4, and more than what is read at once
    const std::filesystem::path path =
        std::filesystem::path(::testing::TempDir()) / ("sha1_" + std::to_string(::getpid()));
    for (const auto& [text, expected] :
         {std::pair<std::string, const char*>{"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
          {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
          {std::string(3'000'000, 'a'), "e8935af087fafce14bf157d50ab992c861688ffa"}}) {
        std::ofstream(path) << text;
        const Descriptor file(::open(path.c_str(), O_RDONLY));
        ::lseek(file.get(), 1, SEEK_SET);
        EXPECT_EQ(to_hex(sha1_of_file(file.get())), expected) << text.size();
    }
    std::filesystem::remove(path);
    const Descriptor folder(::open(::testing::TempDir().c_str(), O_RDONLY));
    EXPECT_THROW(sha1_of_file(folder.get()), Error);
}

}  // namespace
}  // namespace flash
