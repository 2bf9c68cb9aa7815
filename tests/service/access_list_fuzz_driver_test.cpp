// The fuzz target of access lists over a damaged one.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/mutate.h"

#define LLVMFuzzerTestOneInput fuzz_access_list
#include "../../fuzz/service/access_list_fuzz.cpp"

namespace {

TEST(AccessListFuzz, DamagedLists) {
    std::mt19937_64 rng(20261128);
    const std::string list = R"({"tiers": {"t": {"sessions": 2, "inferences_per_day": 9}}, "accounts": [{"name": "a",)"
                             R"( "tier": "t", "models": ["m"], "expires": "2027-01-31", "tokens": [")" +
                             std::string(64, 'a') + R"("], "certificates": ["c"]}], "anonymous": false})";
    for (int i = 0; i < 20'000; ++i) {
        const auto damaged = flash::testing::mutated({list.begin(), list.end()}, rng);
        fuzz_access_list(damaged.data(), damaged.size());
    }
}

}  // namespace
