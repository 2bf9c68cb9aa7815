#include "model/ranking.h"

#include <gtest/gtest.h>

#include <cmath>

namespace flash::model {
namespace {

TEST(Ranking, RanksByLogitWithProbabilities) {
    const std::vector<float> logits{1.f, 3.f, 2.f, 3.f};
    const auto ranked = rank_classes(logits, {"a", "b"}, 3);
    ASSERT_EQ(ranked.size(), 3u);
    EXPECT_EQ(ranked[0].name, "b");
    EXPECT_EQ(ranked[1].name, "class 3");
    EXPECT_EQ(ranked[2].index, 2);
    EXPECT_NEAR(ranked[0].probability, ranked[1].probability, 1e-12);
    EXPECT_NEAR(ranked[0].probability, 1 / (2 + std::exp(-1.0) + std::exp(-2.0)), 1e-6);
    EXPECT_EQ(best_class(logits), 1);
    EXPECT_TRUE(rank_classes({}, {}, 5).empty());
}

}  // namespace
}  // namespace flash::model
