#include "app/label_report.h"

#include <gtest/gtest.h>

namespace flash::app {
namespace {

using compiler::Verdict;

/// So many images that both name rightly, that only the float network does, and that only the integers do; all of
/// class 1.
LabelReport counted(std::size_t both, std::size_t only_exact, std::size_t only_quantised) {
    std::vector<Verdict> verdicts;
    const auto add = [&](std::size_t count, int exact, int quantised) {
        for (std::size_t i = 0; i < count; ++i) verdicts.push_back({verdicts.size(), exact, quantised});
    };
    add(both, 1, 1);
    add(only_exact, 1, 0);
    add(only_quantised, 2, 1);
    add(5, 1, 0);  // without a label
    const std::size_t labelled = both + only_exact + only_quantised;
    return count_labels(verdicts,
                        [&](std::size_t image) { return image < labelled ? std::optional(1) : std::nullopt; });
}

TEST(LabelReport, CountsImagesWithLabelsOnly) {
    const LabelReport report = counted(80, 15, 5);
    EXPECT_EQ(report.images, 100u);
    EXPECT_EQ(report.exact, 95u);
    EXPECT_EQ(report.quantised, 85u);
    EXPECT_EQ(report.differ, 20u);
    EXPECT_EQ(label_text(report), "of 100 with labels the float model names 95.0% rightly, the integer model 85.0%\n");
    EXPECT_EQ(label_json(report)["correct"], 85);
    EXPECT_EQ(label_text({}), "");
    EXPECT_TRUE(label_json({}).is_null());
}

TEST(LabelReport, ALossCountsBeyondChance) {
    EXPECT_EQ(LabelReport{}.certain_loss(), 0);
    EXPECT_LT(counted(20, 3, 0).certain_loss(), 0) << "three of 23 may be chance";
    EXPECT_LT(counted(800, 100, 100).certain_loss(), 0) << "what is lost here is won there";
    EXPECT_NEAR(counted(800, 200, 0).certain_loss(), 0.2 - 2 * std::sqrt(200.0) / 1000, 1e-12);
}

}  // namespace
}  // namespace flash::app
