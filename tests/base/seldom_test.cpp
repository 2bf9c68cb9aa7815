#include "base/seldom.h"

#include <gtest/gtest.h>

namespace flash {
namespace {

TEST(Seldom, AFewAtOnceAndThenOneASecond) {
    Seldom seldom(3);
    int given = 0;
    for (int i = 0; i < 100; ++i) given += seldom.now().has_value();
    EXPECT_GE(given, 3);
    EXPECT_LE(given, 4);  // a second may have begun
    Seldom one;
    EXPECT_EQ(one.now(), 0u);
}

}  // namespace
}  // namespace flash
