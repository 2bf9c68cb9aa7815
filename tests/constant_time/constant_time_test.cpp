// Shortly what scripts/constant-time does for long.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "constant_time/operations.h"
#include "constant_time/timing.h"

namespace flash::constant_time {
namespace {

/// Of each operation: FLASH_CONSTANT_TIME_SECONDS, or little.
double seconds() {
    const char* const asked = std::getenv("FLASH_CONSTANT_TIME_SECONDS");
    return asked ? std::strtod(asked, nullptr) : 0.1;
}

/// A machine that is busy with something else shows differences now and then; work that leaks shows them always.
bool leaks(Operation& operation) {
    for (std::uint64_t attempt = 1; attempt <= 5; ++attempt) {
        const Timing timing = measure(operation, std::chrono::duration<double>(seconds()), attempt);
        std::cout << "  t = " << timing.t << " over " << timing.measurements << " times: " << operation.name() << "\n";
        if (timing.t < kLeak) return false;
    }
    return true;
}

TEST(Timing, FindsWorkThatReturnsEarly) {
    if (is_watched()) GTEST_SKIP() << "valgrind's time says nothing";
    const auto leaking = leaking_operation();
    EXPECT_TRUE(leaks(*leaking));
}

TEST(Timing, DependsOnNoSecret) {
    if (is_watched()) GTEST_SKIP() << "valgrind's time says nothing";
    for (const InstructionSet set : supported_instruction_sets()) {
        std::cout << to_string(set) << ":\n";
        for (const auto& operation : operations(set)) EXPECT_FALSE(leaks(*operation)) << operation->name();
    }
}

/// To be run under valgrind, which ends with an error where a branch or an address depends on what is hidden.
TEST(Uninitialised, NothingBranchesOnASecret) {
    Random random(1);
    for (const InstructionSet set : supported_instruction_sets())
        for (const auto& operation : operations(set)) {
            if (is_watched()) std::cerr << to_string(set) << ": " << operation->name() << "\n";
            operation->take(Secret::kRandom, random);
            EXPECT_NO_THROW(operation->run());
        }
}

/// Valgrind has to complain about this one.
TEST(Uninitialised, DISABLED_ABranchOnASecretIsFound) {
    Random random(1);
    const auto leaking = leaking_operation();
    leaking->take(Secret::kRandom, random);
    leaking->run();
    EXPECT_TRUE(is_watched()) << "built without FLASH_VALGRIND, or not run under valgrind";
}

}  // namespace
}  // namespace flash::constant_time
