#include "app/shortage.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
#include <system_error>

namespace flash::app {
namespace {

TEST(Shortage, IsToldFromADefect) {
    const auto of = [](std::errc code) { return shortage(std::system_error(std::make_error_code(code))).value_or(""); };
    EXPECT_TRUE(of(std::errc::too_many_files_open).starts_with("out of file descriptors"));
    EXPECT_TRUE(of(std::errc::too_many_files_open_in_system).starts_with("out of file descriptors"));
    EXPECT_TRUE(of(std::errc::resource_unavailable_try_again).starts_with("no thread can be started"));
    EXPECT_TRUE(of(std::errc::not_enough_memory).starts_with("out of memory"));
    EXPECT_TRUE(shortage(std::bad_alloc()).value_or("").starts_with("out of memory"));
    EXPECT_EQ(of(std::errc::invalid_argument), "");
    EXPECT_FALSE(shortage(std::runtime_error("a defect")));
}

}  // namespace
}  // namespace flash::app
