#include "data/array_input.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace flash::data {
namespace {

ErrorKind kind_of(const std::vector<std::size_t>& item, std::vector<float> values) {
    try {
        array_input(std::move(values), item, {3, 2, 1}, "x");
    } catch (const Error& error) {
        return error.kind();
    }
    ADD_FAILURE() << "nothing was thrown";
    return ErrorKind::kInternal;
}

TEST(ArrayInput, TakesChannelsFirstAndLast) {
    const std::vector<float> values{1, 2, 3, 4, 5, 6};
    EXPECT_EQ(array_input(values, {3, 2, 1}, {3, 2, 1}, "x"), values);
    EXPECT_EQ(array_input(values, {2, 1, 3}, {3, 2, 1}, "x"), (std::vector<float>{1, 4, 2, 5, 3, 6}));
}

TEST(ArrayInput, RefusesOtherShapesAndNumbers) {
    EXPECT_EQ(kind_of({1, 2, 3}, std::vector<float>(6)), ErrorKind::kInvalidArgument);
    EXPECT_EQ(kind_of({6, 1, 1}, std::vector<float>(6)), ErrorKind::kInvalidArgument);
    for (const float bad : {NAN, INFINITY}) EXPECT_EQ(kind_of({3, 2, 1}, {0, 0, 0, 0, 0, bad}), ErrorKind::kFile);
}

}  // namespace
}  // namespace flash::data
