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
    const std::string all = metrics_text(metrics, {});
    EXPECT_THAT(all, HasSubstr("# TYPE flash_inferences_total counter\n"));
    EXPECT_THAT(all, HasSubstr("flash_inferences_total{model=\"cat/2\",reason=\"\",result=\"ok\"} 2\n"));
    EXPECT_THAT(all, HasSubstr("flash_inferences_total{model=\"cat/2\",reason=\"timeout\",result=\"failed\"} 1\n"));
    EXPECT_THAT(all, HasSubstr("flash_refusals_total{reason=\"memory\"} 1\n"));
    EXPECT_THAT(all, HasSubstr("flash_bytes_total{direction=\"received\"} 22\n"));
}

TEST(Metrics, LargeNumbersKeepTheirDigits) {
    Metrics metrics;
    metrics.bytes((std::uint64_t{1} << 50) + 1, 0);
    EXPECT_THAT(metrics_text(metrics, {}), HasSubstr("flash_bytes_total{direction=\"sent\"} 1125899906842625\n"));
}

TEST(Metrics, HistogramsAddUp) {
    Metrics metrics;
    for (const double seconds : {0.001, 0.02, 0.02, 1000.0}) metrics.phase("m", "total", seconds);
    metrics.waited(0.5);
    const std::string all = metrics_text(metrics, {});
    const std::string labels = "model=\"m\",phase=\"total\"";
    EXPECT_THAT(all, HasSubstr("# TYPE flash_inference_seconds histogram\n"));
    EXPECT_THAT(all, HasSubstr("flash_inference_seconds_bucket{" + labels + ",le=\"0.001\"} 1\n"));
    EXPECT_THAT(all, HasSubstr("flash_inference_seconds_bucket{" + labels + ",le=\"0.025\"} 3\n"));
    EXPECT_THAT(all, HasSubstr("flash_inference_seconds_bucket{" + labels + ",le=\"300\"} 3\n"));
    EXPECT_THAT(all, HasSubstr("flash_inference_seconds_bucket{" + labels + ",le=\"+Inf\"} 4\n"));
    EXPECT_THAT(all, HasSubstr("flash_inference_seconds_sum{" + labels + "} 1000.041\n"));
    EXPECT_THAT(all, HasSubstr("flash_inference_seconds_count{" + labels + "} 4\n"));
    EXPECT_THAT(all, HasSubstr("flash_waiting_seconds_count 1\n"));
}

TEST(Metrics, WhatIsLookedUpComesWithItsLabelsEscaped) {
    Lookups lookups;
    lookups.family("g", Lookups::Kind::kGauge, "Help.");
    lookups.value({{"name", "a\"b\\c\nd"}}, 1);
    lookups.family("c_total", Lookups::Kind::kCounter, "Help.");
    lookups.value({}, 3);
    const std::string all = metrics_text(Metrics(), std::move(lookups));
    EXPECT_THAT(all, HasSubstr("g{name=\"a\\\"b\\\\c\\nd\"} 1\n"));
    EXPECT_THAT(all, HasSubstr("# TYPE c_total counter\nc_total 3\n"));
}

TEST(Metrics, TheProcessIsThere) {
    Lookups lookups;
    look_up_process(lookups);
    const std::string all = metrics_text(Metrics(), std::move(lookups));
    EXPECT_THAT(all, ::testing::ContainsRegex("process_resident_memory_bytes [1-9]"));
    EXPECT_THAT(all, ::testing::ContainsRegex("process_open_fds [1-9]"));
}

}  // namespace
}  // namespace flash::service
