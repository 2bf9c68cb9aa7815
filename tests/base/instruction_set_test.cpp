#include "base/instruction_set.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace flash {
namespace {

TEST(InstructionSets, PortableIsAlwaysThereAndNamesRoundTrip) {
    const auto sets = supported_instruction_sets();
    ASSERT_FALSE(sets.empty());
    EXPECT_EQ(sets.front(), InstructionSet::kPortable);
    for (InstructionSet set : {InstructionSet::kPortable, InstructionSet::kSimd128, InstructionSet::kNeon,
                               InstructionSet::kAvx2, InstructionSet::kAvx512, InstructionSet::kAmx})
        EXPECT_EQ(parse_instruction_set(to_string(set)), set);
    EXPECT_FALSE(parse_instruction_set("sse9"));
}

TEST(InstructionSets, BestIsTheHighestUnlessTheEnvironmentLimitsIt) {
    if (std::getenv("FLASH_INSTRUCTION_SET")) GTEST_SKIP() << "FLASH_INSTRUCTION_SET is set";
    EXPECT_EQ(best_instruction_set(), supported_instruction_sets().back());
}

}  // namespace
}  // namespace flash
