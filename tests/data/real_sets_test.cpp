// The published image sets, where an unpacked copy is at hand: the environment variable FLASH_DATA names the directory
// that holds cifar-10-batches-bin, cifar-100-binary, tiny-imagenet-200 and imagenet-like-224 (or some of them).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <set>

#include "data/dataset.h"

namespace flash::data {
namespace {

struct RealSet {
    const char* name;
    const char* folder;
    const char* form;
    std::size_t size;
    std::size_t classes;  ///< of a list with names: up to the highest label in it
    model::Preprocessing how;
    model::Shape input;
};

/// Keeps the test's name readable.
void PrintTo(const RealSet& set, std::ostream* out) { *out << set.form; }

class RealSetTest : public testing::TestWithParam<RealSet> {};

TEST_P(RealSetTest, OpensAndLoads) {
    const RealSet& expected = GetParam();
    const char* data = std::getenv("FLASH_DATA");
    if (data == nullptr || !std::filesystem::is_directory(std::filesystem::path(data) / expected.folder)) {
        GTEST_SKIP() << "set FLASH_DATA to a directory that holds " << expected.folder << " to test with it";
    }
    const auto set = open_dataset(std::string(expected.form) + ":" + data + "/" + expected.folder);
    EXPECT_EQ(set->size(), expected.size);
    EXPECT_EQ(set->classes().size(), expected.classes);
    std::set<int> seen;
    const std::size_t step = expected.size / 200;
    for (std::size_t i = 0; i < expected.size; i += step) {
        const std::optional<int> label = set->label(i);
        ASSERT_TRUE(label.has_value());
        ASSERT_LT(static_cast<std::size_t>(*label), expected.classes);
        seen.insert(*label);
        const std::vector<float> values = set->load(i, expected.how, expected.input);
        ASSERT_EQ(values.size(), static_cast<std::size_t>(expected.input.size()));
        for (const float value : values) ASSERT_LE(std::abs(value), 1.0F);
    }
    EXPECT_GE(seen.size(), expected.classes / 20);
}

std::vector<float> half3() { return {0.5F, 0.5F, 0.5F}; }

INSTANTIATE_TEST_SUITE_P(
    Sets, RealSetTest,
    testing::Values(
        RealSet{"cifar10", "cifar-10-batches-bin", "cifar10", 10000, 10, {0, 0, 0, half3(), half3()}, {3, 32, 32}},
        RealSet{"cifar100", "cifar-100-binary", "cifar100", 10000, 100, {64, 64, 64, half3(), half3()}, {3, 64, 64}},
        RealSet{"tiny", "tiny-imagenet-200", "tiny-imagenet", 10000, 200, {0, 0, 0, half3(), half3()}, {3, 64, 64}},
        RealSet{
            "imagenet", "imagenet-like-224", "images", 1000, 996, {256, 224, 224, half3(), half3()}, {3, 224, 224}}),
    [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace flash::data
