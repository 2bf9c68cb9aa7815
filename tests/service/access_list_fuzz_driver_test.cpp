// The fuzz target of access lists over a damaged one.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/mutate.h"
#include "support/seeds.h"

#define LLVMFuzzerTestOneInput fuzz_access_list
#include "../../fuzz/service/access_list_fuzz.cpp"

namespace {

TEST(AccessListFuzz, DamagedLists) {
    std::mt19937_64 rng(20261128);
    const std::string list = R"({"tiers": {"t": {"sessions": 2, "inferences_per_day": 9}}, "accounts": [{"name": "a",)"
                             R"( "tier": "t", "models": ["m"], "expires": "2027-01-31", "tokens": [")" +
                             std::string(64, 'a') + R"("], "certificates": ["c"]}], "anonymous": false})";
    const std::vector<std::uint8_t> bytes(list.begin(), list.end());
    flash::testing::offer_seed("access_list", bytes);
    for (int i = 0; i < 20'000; ++i) {
        const auto damaged = flash::testing::mutated(bytes, rng);
        fuzz_access_list(damaged.data(), damaged.size());
    }
}

TEST(AccessListFuzz, Seeds) { flash::testing::replay_seeds("access_list", fuzz_access_list); }

}  // namespace
