// The ONNX fuzz target over damaged copies of the fixtures.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "support/mutate.h"
#include "support/seeds.h"

#define LLVMFuzzerTestOneInput fuzz_onnx
#include "../../fuzz/compiler/onnx_fuzz.cpp"

namespace {

TEST(OnnxFuzz, DamagedFixtures) {
    std::mt19937_64 rng(20240701);
    int files = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(FLASH_SOURCE_DIR) / "tests/fixtures/onnx")) {
        if (entry.path().extension() != ".onnx") continue;
        ++files;
        std::ifstream in(entry.path(), std::ios::binary);
        const std::vector<std::uint8_t> bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
        fuzz_onnx(bytes.data(), bytes.size());
        flash::testing::offer_seed("onnx", bytes);
        for (int i = 0; i < 150; ++i) {
            const auto damaged = flash::testing::mutated(bytes, rng);
            fuzz_onnx(damaged.data(), damaged.size());
        }
    }
    EXPECT_GT(files, 10);
}

TEST(OnnxFuzz, Seeds) { flash::testing::replay_seeds("onnx", fuzz_onnx); }

}  // namespace
