// Files as PyTorch's exporter writes them: imported and compared with PyTorch's own answers.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "compiler/compile.h"

namespace flash::compiler {
namespace {

namespace fs = std::filesystem;

/// The float32 values of a .npy file; enough for the fixtures.
std::vector<float> read_npy(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(file)), {});
    EXPECT_GT(bytes.size(), 10u) << path;
    const std::size_t header = 10 + static_cast<unsigned char>(bytes[8]) + 256u * static_cast<unsigned char>(bytes[9]);
    EXPECT_NE(bytes.substr(0, header).find("'<f4'"), std::string::npos) << path;
    std::vector<float> values((bytes.size() - header) / 4);
    std::memcpy(values.data(), bytes.data() + header, values.size() * 4);
    return values;
}

TEST(Fixtures, ImportedNetworksAnswerLikePyTorch) {
    const fs::path folder = fs::path(FLASH_SOURCE_DIR) / "tests/fixtures/onnx";
    if (!fs::exists(folder)) GTEST_SKIP() << "no fixtures in " << folder;
    int compared = 0, refused = 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.path().extension() != ".onnx") continue;
        const std::string name = entry.path().stem().string();
        SCOPED_TRACE(name);
        if (name.starts_with("refuse_")) {
            try {
                import_onnx(entry.path());
                ADD_FAILURE() << "not refused";
            } catch (const Error& error) {
                EXPECT_EQ(error.kind(), ErrorKind::kUnsupported) << error.what();
                ++refused;
            }
            continue;
        }
        const ImportedModel imported = import_onnx(entry.path());
        const std::vector<float> input = read_npy(folder / (name + ".input.npy")),
                                 output = read_npy(folder / (name + ".output.npy"));
        const std::vector<float> got = evaluate_float(imported, input);
        ASSERT_EQ(got.size(), output.size());
        float scale = 0;
        for (float value : output) scale = std::max(scale, std::abs(value));
        for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], output[i], 1e-4f * scale);
        ++compared;
    }
    EXPECT_GT(compared, 0);
    printf("%d networks compared, %d refused\n", compared, refused);
}

TEST(Fixtures, ReleasedNetworksAreImportedWithTheirPreprocessing) {
    int models = 0;
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(FLASH_SOURCE_DIR) / "models")) {
        if (entry.path().extension() != ".onnx") continue;
        SCOPED_TRACE(entry.path());
        const ImportedModel imported = import_onnx(entry.path());
        EXPECT_FALSE(imported.classes.empty());
        EXPECT_LT(imported.preprocessing.std[0], 1);
        ++models;
    }
    EXPECT_GE(models, 5);
}

}  // namespace
}  // namespace flash::compiler
