// The fuzz target of the cache of the `a` halves over damaged files.
#include <gtest/gtest.h>

#include "support/mutate.h"
#include "support/seeds.h"

#define LLVMFuzzerTestOneInput fuzz_prepared_cache
#include "../../fuzz/protocol/prepared_cache_fuzz.cpp"

namespace {

TEST(PreparedCacheFuzz, DamagedFiles) {
    const auto& layout = cache_fuzz_layout();
    std::vector<std::uint8_t> good = layout.header;
    good.resize(layout.file_bytes() - sizeof(flash::Sha256), 0x5a);
    const flash::Sha256 checksum = flash::sha256(good);
    good.insert(good.end(), checksum.begin(), checksum.end());
    ASSERT_TRUE(flash::protocol::parse_cache(good, layout).used);
    flash::testing::offer_seed("prepared_cache", good);
    std::mt19937_64 rng(20250131);
    for (int i = 0; i < 3000; ++i) {
        const auto damaged = flash::testing::mutated(good, rng);
        fuzz_prepared_cache(damaged.data(), damaged.size());
    }
    // Damage to the header, where most of a file's bytes are not.
    for (std::size_t at = 0; at < layout.header.size(); ++at)
        for (int bit = 0; bit < 8; ++bit) {
            std::vector<std::uint8_t> damaged = good;
            damaged[at] = static_cast<std::uint8_t>(damaged[at] ^ (1 << bit));
            fuzz_prepared_cache(damaged.data(), damaged.size());
        }
}

TEST(PreparedCacheFuzz, Seeds) { flash::testing::replay_seeds("prepared_cache", fuzz_prepared_cache); }

}  // namespace
