#include "service/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flash::service {
namespace {

using ::testing::HasSubstr;

TEST(Metrics, CountsByLabels) {
    Metrics metrics;
    metrics.inference("cat/2", "ok", "");
    metrics.inference("cat/2", "ok", "");
    metrics.inference("cat/2", "failed", "timeout");
    metrics.refusal("memory");
    metrics.bytes(10, 20);
    metrics.bytes(1, 2);
    MetricsText text;
    metrics.write(text);
    const std::string all = text.take();
    EXPECT_THAT(all, HasSubstr("# TYPE flash_inferences_total counter\n"));
    EXPECT_THAT(all, HasSubstr("flash_inferences_total{model=\"cat/2\",result=\"ok\",reason=\"\"} 2\n"));
    EXPECT_THAT(all, HasSubstr("flash_inferences_total{model=\"cat/2\",result=\"failed\",reason=\"timeout\"} 1\n"));
    EXPECT_THAT(all, HasSubstr("flash_refusals_total{reason=\"memory\"} 1\n"));
    EXPECT_THAT(all, HasSubstr("flash_bytes_total{direction=\"received\"} 22\n"));
}

TEST(Metrics, HistogramsAddUp) {
    Histogram histogram;
    for (const double seconds : {0.001, 0.02, 0.02, 1000.0}) histogram.add(seconds);
    MetricsText text;
    text.family("t", MetricsText::Kind::kHistogram, "Help.");
    histogram.write(text, {{"a", "b"}});
    const std::string all = text.take();
    EXPECT_THAT(all, HasSubstr("t_bucket{a=\"b\",le=\"0.001\"} 1\n"));
    EXPECT_THAT(all, HasSubstr("t_bucket{a=\"b\",le=\"0.025\"} 3\n"));
    EXPECT_THAT(all, HasSubstr("t_bucket{a=\"b\",le=\"300\"} 3\n"));
    EXPECT_THAT(all, HasSubstr("t_bucket{a=\"b\",le=\"+Inf\"} 4\n"));
    EXPECT_THAT(all, HasSubstr("t_sum{a=\"b\"} 1000.041\n"));
    EXPECT_THAT(all, HasSubstr("t_count{a=\"b\"} 4\n"));
}

TEST(Metrics, LabelsAreEscaped) {
    MetricsText text;
    text.family("g", MetricsText::Kind::kGauge, "Help.");
    text.value({{"name", "a\"b\\c\nd"}}, 1);
    EXPECT_THAT(text.take(), HasSubstr("g{name=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

TEST(Metrics, TheProcessIsThere) {
    MetricsText text;
    write_process(text);
    const std::string all = text.take();
    EXPECT_THAT(all, ::testing::ContainsRegex("process_resident_memory_bytes [1-9]"));
    EXPECT_THAT(all, ::testing::ContainsRegex("process_open_fds [1-9]"));
}

}  // namespace
}  // namespace flash::service
