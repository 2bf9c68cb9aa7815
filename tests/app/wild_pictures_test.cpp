// Pictures like none that a network was trained on, through the private protocol with a released network of sines: it
// has no ranges to leave, so every answer is the clear-text twin's.
#include <random>

#include <nlohmann/json.hpp>

#include "command.h"
#include "data/npy.h"

namespace flash {
namespace {

constexpr std::size_t kSide = 32, kValues = 3 * kSide * kSide;

/// 3 x 32 x 32 by f(channel, row, column), appended.
template <class F>
void add(std::vector<float>& pictures, const F& f) {
    for (std::size_t c = 0; c < 3; ++c)
        for (std::size_t y = 0; y < kSide; ++y)
            for (std::size_t x = 0; x < kSide; ++x) pictures.push_back(f(c, y, x));
}

TEST_F(Command, NoPictureLeavesTheRangesOfSines) {
    std::vector<float> pictures;
    std::mt19937_64 random(5);
    std::normal_distribution<float> noise(0, 1000);
    add(pictures, [](auto, auto, auto) { return 1e6f; });
    add(pictures, [](auto, auto, auto) { return -1e6f; });
    add(pictures, [&](auto, auto, auto) { return noise(random); });
    add(pictures, [](auto, std::size_t y, std::size_t x) { return (x + y) % 2 ? 1e6f : -1e6f; });
    // A logo: flat colours with sharp edges.
    add(pictures, [](std::size_t c, std::size_t y, std::size_t x) {
        const bool ring = (x - 16) * (x - 16) + (y - 16) * (y - 16) < 120;
        return ring ? (c == 1 ? 3.f : -3.f) : (c == 1 ? -3.f : 3.f);
    });
    const std::size_t count = pictures.size() / kValues;
    const std::string file = dir_ / "wild.npy";
    data::write_npy(file, {count, 3, kSide, kSide}, pictures);
    const Outcome o =
        flash({"eval", fs::path(FLASH_SOURCE_DIR) / "models/cifar10-compact-sine/cifar10-compact-sine.flash", "--data",
               "npy:" + file, "--private", std::to_string(count), "--json"});
    ASSERT_EQ(o.status, 0) << o.err;
    const auto result = nlohmann::json::parse(o.out)["private"];
    EXPECT_EQ(result["runs"], count);
    EXPECT_EQ(result["out_of_range"], 0);
    EXPECT_EQ(result["wrong_activations"], 0);
    EXPECT_LE(result["largest_difference_over_bound"], 1.0);
}

}  // namespace
}  // namespace flash
