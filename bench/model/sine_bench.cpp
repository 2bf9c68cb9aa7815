// Sines and cosines of 4096 shares, one row for each instruction set.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "model/sine.h"

namespace flash::model {
namespace {

constexpr std::size_t n = 4096;

const bool kRegistered = [] {
    for (InstructionSet set : supported_instruction_sets()) {
        if (set > InstructionSet::kAvx512) continue;
        benchmark::RegisterBenchmark(
            ("SineFactors/" + std::string(to_string(set))).c_str(), [=](benchmark::State& state) {
                const std::vector<std::uint32_t> shares(n, 77);
                std::vector<std::uint32_t> sines(n), cosines(n);
                for (auto _ : state) {
                    sine_factors(shares, ShareOf::kClient, 9, 128, 16760833, sines, cosines, set);
                    benchmark::ClobberMemory();
                }
                state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(n));
            });
    }
    return true;
}();

}  // namespace
}  // namespace flash::model
