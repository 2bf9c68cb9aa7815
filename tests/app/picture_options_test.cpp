#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "app/compile.h"
#include "base/error.h"
#include "compiler/compile.h"
#include "data/preprocess.h"

namespace flash::app {
namespace {

compiler::ImportedModel imported() {
    return compiler::import_onnx(std::filesystem::path(FLASH_SOURCE_DIR) / "tests/fixtures/onnx/residual_opset13.onnx");
}

TEST(PictureOptions, NothingKnownMeansNoPictures) {
    compiler::ImportedModel model = imported();
    apply({}, model);
    EXPECT_FALSE(data::takes_pictures(model.preprocessing));
    const data::Image picture(model.input.channels, model.input.height, model.input.width);
    EXPECT_THROW(data::preprocess(picture, model.preprocessing, model.input, "x"), Error);
    EXPECT_THROW(data::normalise(picture, model.preprocessing, model.input, "x"), Error);
}

TEST(PictureOptions, ScaleMeanAndStdAreInOneUnit) {
    // (pixel * scale - mean) / std, whatever the scale.
    const auto value = [](const PictureOptions& options, std::uint8_t pixel) {
        compiler::ImportedModel model = imported();
        apply(options, model);
        EXPECT_TRUE(data::takes_pictures(model.preprocessing));
        data::Image picture(model.input.channels, model.input.height, model.input.width);
        std::ranges::fill(picture.pixels, pixel);
        return data::preprocess(picture, model.preprocessing, model.input, "x").front();
    };
    PictureOptions options;
    options.mean = {0.5F};
    EXPECT_NEAR(value(options, 255), 0.5, 1e-6);
    options.std = {0.25F};
    EXPECT_NEAR(value(options, 255), 2, 1e-6);
    options = {};
    options.scale = 1;
    EXPECT_NEAR(value(options, 200), 200, 1e-3);
    options.mean = {100};
    options.std = {50};
    EXPECT_NEAR(value(options, 200), 2, 1e-5);
    options.scale = 2.0 / 255;
    options.mean = {1};
    options.std = {1};
    EXPECT_NEAR(value(options, 0), -1, 1e-5);
    EXPECT_NEAR(value(options, 255), 1, 1e-5);
}

TEST(PictureOptions, PixelsAsTheyAreAreAWordToo) {
    compiler::ImportedModel model = imported();
    const auto channels = static_cast<std::size_t>(model.input.channels);
    model.preprocessing = {0, model.input.height, model.input.width, std::vector<float>(channels, 0.0F),
                           std::vector<float>(channels, 1.0F)};  // as metadata say it
    apply({}, model);
    EXPECT_TRUE(data::takes_pictures(model.preprocessing));
    // The file's numbers are for pixels from 0 to 1: in another unit they would mean something else.
    PictureOptions options;
    options.scale = 1;
    EXPECT_THROW(apply(options, model), Error);
    options.mean = {100};
    EXPECT_THROW(apply(options, model), Error);
    options.std = {50};
    apply(options, model);
    EXPECT_NEAR(model.preprocessing.mean.front(), 100.0 / 255, 1e-6);
    EXPECT_NEAR(model.preprocessing.std.front(), 50.0 / 255, 1e-6);
}

TEST(PictureOptions, ResizeIsOfTheShortSide) {
    compiler::ImportedModel model = imported();
    model.input = {3, 64, 128};
    PictureOptions options;
    options.resize = 64;
    apply(options, model);
    EXPECT_EQ(model.preprocessing.resize, 64);
    options.resize = 63;
    EXPECT_THROW(apply(options, model), Error);
}

TEST(PictureOptions, SayWhatTheyMeanInWords) {
    model::Preprocessing how{256, 224, 224, {0.5F, 0.25F, 0.125F}, {0.2F, 0.2F, 0.2F}};
    EXPECT_EQ(data::describe(how),
              "short side to 256, centre crop 224x224, (pixel / 255 - (0.5, 0.25, 0.125)) / (0.2, "
              "0.2, 0.2)");
    EXPECT_EQ(data::describe(model::Preprocessing{}), "unknown: only arrays (.npy) are taken");
}

}  // namespace
}  // namespace flash::app
