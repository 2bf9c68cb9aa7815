// Pictures against what PIL's convert("RGB") makes of them: that is what networks were trained on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "data/image.h"
#include "data/npy.h"
#include "data/resize.h"

namespace flash::data {
namespace {

namespace fs = std::filesystem;

TEST(Pictures, AreWhatTrainingLoadersSee) {
    int seen = 0;
    for (const auto& entry : fs::directory_iterator(fs::path(FLASH_SOURCE_DIR) / "tests/fixtures/pictures")) {
        const fs::path path = entry.path();
        if (path.extension() != ".png" && path.extension() != ".jpg") continue;
        const Image original = read_image(path.string());
        const Image image = with_channels(original, 3);
        const NpyArray expected = read_npy(fs::path(path).replace_extension(".npy").string());
        ASSERT_EQ(expected.shape, (std::vector<std::size_t>{static_cast<std::size_t>(image.height),
                                                            static_cast<std::size_t>(image.width), 3}))
            << path;
        int largest = 0;
        for (std::size_t i = 0; i < image.pixels.size(); ++i)
            largest = std::max(largest, std::abs(image.pixels[i] - static_cast<int>(expected.values[i])));
        // Decoders of JPEG may round differently.
        EXPECT_LE(largest, path.extension() == ".jpg" ? 3 : 0) << path;
        const std::string name = path.stem().string();
        const bool transparent = name.find("alpha") != std::string::npos || name.find("key") != std::string::npos ||
                                 name.find("rgba") != std::string::npos;
        EXPECT_EQ(original.dropped.find("transparency") != std::string::npos, transparent) << path;
        EXPECT_EQ(original.dropped.find("EXIF orientation (6)") != std::string::npos, name == "turned") << path;
        ++seen;
    }
    EXPECT_GE(seen, 20);
}

}  // namespace
}  // namespace flash::data
