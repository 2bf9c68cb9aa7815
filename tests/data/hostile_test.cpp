// Random and mutated inputs for every parser of the data layer: refused or accepted, but never more than that.
#include <random>

#include "../../fuzz/data/targets.h"
#include "data/file.h"
#include "data/resize.h"
#include "support.h"
#include "support/seeds.h"

namespace flash::data {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// One to eight changes: a bit flipped, a byte set, bytes removed, doubled or inserted, the end cut off.
Bytes mutated(Bytes bytes, std::mt19937_64& random) {
    const auto below = [&](std::size_t bound) { return bound == 0 ? 0 : static_cast<std::size_t>(random() % bound); };
    for (std::size_t changes = 1 + below(8); changes > 0 && !bytes.empty(); --changes) {
        const std::size_t at = below(bytes.size());
        const std::size_t length = std::min(bytes.size() - at, 1 + below(16));
        const auto position = bytes.begin() + static_cast<std::ptrdiff_t>(at);
        switch (below(6)) {
            case 0: bytes[at] ^= static_cast<std::uint8_t>(1U << below(8)); break;
            case 1: bytes[at] = static_cast<std::uint8_t>(below(4) == 0 ? 0xff : random()); break;
            case 2: bytes.erase(position, position + static_cast<std::ptrdiff_t>(length)); break;
            case 3: {
                const Bytes copy(position, position + static_cast<std::ptrdiff_t>(length));
                bytes.insert(position, copy.begin(), copy.end());
                break;
            }
            case 4: bytes.insert(position, static_cast<std::uint8_t>(random())); break;
            default:
                if (below(4) == 0) bytes.resize(at);
                break;
        }
    }
    return bytes;
}

template <class Target>
void run_mutations(const std::string& program, const std::vector<Bytes>& seeds, int rounds, Target target) {
    std::mt19937_64 random(20240607);
    for (const Bytes& seed : seeds) {
        EXPECT_TRUE(target(seed));
        flash::testing::offer_seed(program, seed);
        for (int i = 0; i < rounds; ++i) target(mutated(seed, random));
    }
}

template <class Target>
void run_noise(const Bytes& prefix, int rounds, Target target) {
    std::mt19937_64 random(7);
    for (int i = 0; i < rounds; ++i) {
        Bytes bytes = prefix;
        for (std::size_t size = random() % 200; size > 0; --size) bytes.push_back(static_cast<std::uint8_t>(random()));
        target(bytes);
    }
}

TEST(Hostile, Npy) {
    const TempDirectory directory;
    const std::string path = directory / "x.npy";
    std::vector<Bytes> seeds;
    write_npy(path, {2, 3, 2, 2}, std::vector<float>(24, 1.0F));
    seeds.push_back(read_file(path, 1 << 20));
    write_npy(path, {}, std::vector<float>{1});
    seeds.push_back(read_file(path, 1 << 20));
    run_mutations("npy", seeds, 20000, fuzz_npy);
    run_noise({0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 60, 0, '{', '\''}, 5000, fuzz_npy);
}

TEST(Hostile, Png) {
    const TempDirectory directory;
    const std::vector<Bytes> seeds = {read_file(directory.write("a.png", pattern(3, 9, 7)), 1 << 20),
                                      read_file(directory.write("b.png", pattern(1, 4, 30)), 1 << 20)};
    run_mutations("image", seeds, 3000, fuzz_image);
    run_noise({0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R'}, 2000, fuzz_image);
}

TEST(Hostile, Jpeg) {
    run_mutations("image", {read_file(example_jpeg(), 1 << 20)}, 400, fuzz_image);
    run_noise({0xff, 0xd8, 0xff}, 2000, fuzz_image);
}

TEST(Hostile, Seeds) {
    flash::testing::replay_seeds("npy", [](const std::uint8_t* data, std::size_t size) { fuzz_npy({data, size}); });
    flash::testing::replay_seeds("image", [](const std::uint8_t* data, std::size_t size) { fuzz_image({data, size}); });
}

TEST(Hostile, NotEvenAPrefix) {
    run_noise({}, 2000, fuzz_npy);
    run_noise({}, 2000, fuzz_image);
}

}  // namespace
}  // namespace flash::data
