#include "app/probe_pictures.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "model/file.h"
#include "support/random_model.h"

namespace flash::app {
namespace {

TEST(ProbePictures, FindsWhatAReleasedModelCannotAnswer) {
    model::Model model =
        model::load((std::filesystem::path(FLASH_SOURCE_DIR) / "models/cifar10/cifar10.flash").string());
    const std::vector<ProbeOutcome> outcomes = probe(model);
    EXPECT_EQ(outcomes.size(), 10u);
    std::int64_t logo = 0, grey = -1;
    for (const ProbeOutcome& o : outcomes) {
        if (o.picture == "logo") logo = o.overflows;
        if (o.picture == "grey") grey = o.overflows;
    }
    EXPECT_GT(logo, 0) << "a plain logo leaves the ranges of this network";
    EXPECT_EQ(grey, 0);
    model.architecture.preprocessing = {};
    EXPECT_TRUE(probe(model).empty()) << "nothing is known of pictures";
}

TEST(ProbePictures, HaveTheProportionsOfTheInput) {
    model::Model model = testing::single_convolution({3, 6, 12}, 4, {3, 3, 1, 1, 1, 1, 1, 1}, 1);
    model.architecture.preprocessing = {8, 6, 12, std::vector<float>(3, 0.5F), {}};
    EXPECT_EQ(probe(model).size(), 10u);
}

}  // namespace
}  // namespace flash::app
