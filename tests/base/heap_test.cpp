#include "base/heap.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>

namespace flash {
namespace {

namespace fs = std::filesystem;

class CgroupMemory : public testing::Test {
protected:
    void SetUp() override { fs::create_directories(root_); }
    void TearDown() override { fs::remove_all(root_); }
    void group(const std::string& name, const std::string& most, const std::string& used) const {
        fs::create_directories(root_ / name);
        std::ofstream(root_ / name / "memory.max") << most << '\n';
        std::ofstream(root_ / name / "memory.current") << used << '\n';
    }
    std::uint64_t of(const std::string& membership) const {
        std::ofstream(root_ / "cgroup") << membership << '\n';
        return cgroup_memory(root_, root_ / "cgroup");
    }

    const fs::path root_ = fs::temp_directory_path() / ("flash-cgroup-" + std::to_string(::getpid()));
    const std::uint64_t none_ = std::numeric_limits<std::uint64_t>::max();
};

TEST_F(CgroupMemory, TheTightestOfTheGroupsCounts) {
    group("system.slice", "1000", "300");
    group("system.slice/flash.service", "900", "100");
    EXPECT_EQ(of("0::/system.slice/flash.service"), 700u);
    group("system.slice/flash.service", "900", "850");
    EXPECT_EQ(of("0::/system.slice/flash.service"), 50u);
    group("system.slice/flash.service", "900", "950");
    EXPECT_EQ(of("0::/system.slice/flash.service"), 0u);
    EXPECT_EQ(of("1:memory:/old\n0::/system.slice"), 700u);
}

TEST_F(CgroupMemory, NoLimitIsNone) {
    EXPECT_EQ(of("0::/"), none_);
    EXPECT_EQ(of("0::/not/there"), none_);
    EXPECT_EQ(of("0::/../elsewhere"), none_);
    EXPECT_EQ(cgroup_memory(root_ / "nothing", root_ / "neither"), none_);
    group("free", "max", "10");
    EXPECT_EQ(of("0::/free"), none_);
    group("", "500", "100");  // of a container, whose root is its own group
    EXPECT_EQ(of("0::/"), 400u);
}

}  // namespace
}  // namespace flash
