// More calibration data never ruins a model: pictures unlike all others are left out and named.
#include "compiler/outliers.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "compiler/compile.h"
#include "support/random_network.h"

namespace flash::compiler {
namespace {

using Images = std::vector<std::vector<float>>;

testing::RandomNetwork deep(std::uint64_t seed) {
    testing::RandomNetworkOptions options;
    options.family = testing::NetworkFamily::kResidual;
    options.min_layers = options.max_layers = 4;
    options.max_extent = 10;
    options.max_channels = 12;
    return testing::random_network(seed, options);
}

/// A picture of the same kind, so many times as strong.
std::vector<float> times(std::vector<float> image, float factor) {
    for (float& x : image) x *= factor;
    return image;
}

CompileResult compiled(const testing::RandomNetwork& network, const Images& images) {
    CompileOptions options;
    options.plain_bits = 26;
    options.least_snr_db = -100;
    return compile(import_onnx(network.onnx, "outliers"), images, options);
}

TEST(Outliers, OrdinaryPicturesAreAllKept) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        const testing::RandomNetwork network = deep(seed);
        for (const std::size_t count : {20u, 150u, 400u}) {
            const SoundCalibration sound =
                calibrate_soundly(*import_onnx(network.onnx, "ordinary").network, network.images(count, seed), {});
            EXPECT_TRUE(sound.outliers.empty())
                << "seed " << seed << ", " << count << " images: " << sound.outliers.size()
                << " left out, the first by " << (sound.outliers.empty() ? 0 : sound.outliers[0].reach);
            EXPECT_EQ(sound.kept.size(), count);
            EXPECT_EQ(sound.calibration.images, static_cast<std::int64_t>(count));
        }
    }
}

TEST(Outliers, AFewStrangePicturesAreLeftOutAndTheRestIsAsWithoutThem) {
    const testing::RandomNetwork network = deep(2);
    const ImportedModel imported = import_onnx(network.onnx, "strange");
    Images images = network.images(200, 5);
    const Calibration before = calibrate(*imported.network, images, {});
    // In the middle, so that numbers shift; one of them drives the network beyond what floats hold.
    images.insert(images.begin() + 50, times(images[3], 5));
    images.insert(images.begin() + 120, times(images[4], 1e30F));
    const SoundCalibration sound = calibrate_soundly(*imported.network, images, {});
    ASSERT_EQ(sound.outliers.size(), 2u);
    EXPECT_EQ(sound.outliers[0].image, 50u);
    EXPECT_GT(sound.outliers[0].reach, 5);
    EXPECT_EQ(sound.outliers[1].image, 120u);
    EXPECT_EQ(sound.outliers[1].reach, 0) << "it diverges";
    EXPECT_EQ(sound.kept.size(), 200u);
    EXPECT_EQ(std::ranges::count(sound.kept, 50u) + std::ranges::count(sound.kept, 120u), 0);
    EXPECT_EQ(sound.calibration.maxima, before.maxima);
    EXPECT_EQ(sound.calibration.logits, before.logits);
}

TEST(Outliers, ManyStrangePicturesAreNone) {
    const testing::RandomNetwork network = deep(2);
    const ImportedModel imported = import_onnx(network.onnx, "many");
    Images images = network.images(200, 5);
    for (std::size_t i = 0; i < 20; ++i) images.push_back(times(images[i], 5));
    const SoundCalibration sound = calibrate_soundly(*imported.network, images, {});
    EXPECT_TRUE(sound.outliers.empty());
    EXPECT_EQ(sound.calibration.images, 220);
    // Diverging ones are an error then, and so is a single one among few.
    for (std::size_t i = 0; i < 20; ++i) images.push_back(times(images[i], 1e30F));
    EXPECT_THROW(calibrate_soundly(*imported.network, images, {}), Error);
    Images few = network.images(20, 5);
    few.push_back(times(few[0], 1e30F));
    try {
        calibrate_soundly(*imported.network, few, {});
        ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kRange);
        EXPECT_NE(std::string(error.what()).find("calibration image 20"), std::string::npos) << error.what();
    }
}

TEST(Outliers, MoreCalibrationDataNeverRuins) {
    for (const std::uint64_t seed : {2u, 3u, 7u}) {
        SCOPED_TRACE(seed);
        const testing::RandomNetwork network = deep(seed);
        const Images base = network.images(150, seed);
        const Report before = compiled(network, base).report;
        ASSERT_TRUE(before.outliers.empty());
        const auto expect_no_worse = [&](const Images& images, const char* what) {
            const Report after = compiled(network, images).report;
            // The compiler is content with 25 dB.
            EXPECT_GT(after.snr_db, std::min(before.snr_db, 25.0) - 1) << what;
            EXPECT_GT(after.agreement, before.agreement - 0.05) << what;
        };
        Images more = base;
        for (const auto& image : network.images(150, seed + 100)) more.push_back(image);
        expect_no_worse(more, "more of the same kind");
        for (const float factor : {1.0F, 2.0F, 5.0F, 30.0F, 1e4F, 1e30F}) {
            Images with = base;
            with.push_back(times(base[0], factor));
            with.insert(with.begin(), times(base[1], -factor));
            expect_no_worse(with, ("two pictures times " + std::to_string(factor)).c_str());
        }
        Images constant = base;
        constant.push_back(std::vector<float>(base[0].size(), 6.0F));
        expect_no_worse(constant, "a constant picture");
    }
}

}  // namespace
}  // namespace flash::compiler
