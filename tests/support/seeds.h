// Inputs of the fuzz programs that the tests give and take: fuzz/seeds holds what long runs found (scripts/fuzz), and
// good inputs that a test makes are written for such runs where FLASH_CORPUS=DIR asks for it.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"

namespace flash::testing {

/// Runs a fuzz target over the seeds kept for its program. There must be some.
template <class Target>
void replay_seeds(const std::string& program, const Target& target) {
    int count = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(FLASH_SOURCE_DIR) / "fuzz/seeds" / program)) {
        SCOPED_TRACE(entry.path().string());
        std::ifstream in(entry.path(), std::ios::binary);
        const std::vector<std::uint8_t> bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
        target(bytes.data(), bytes.size());
        ++count;
    }
    EXPECT_GT(count, 0) << "fuzz/seeds/" << program << " is empty";
}

/// Writes DIR/program/(hash of the input) where FLASH_CORPUS=DIR is set.
inline void offer_seed(const std::string& program, std::span<const std::uint8_t> bytes) {
    const char* const folder = std::getenv("FLASH_CORPUS");
    if (folder == nullptr) return;
    const std::filesystem::path place = std::filesystem::path(folder) / program;
    std::filesystem::create_directories(place);
    std::ofstream(place / to_hex(sha256(bytes)), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace flash::testing
