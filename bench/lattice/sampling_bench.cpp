// Samplers, per polynomial of 4096 coefficients, one row for each instruction set that has a kernel.
#include <benchmark/benchmark.h>

#include <functional>
#include <string>
#include <vector>

#include "lattice/sampling.h"

namespace flash::lattice {
namespace {

constexpr std::size_t n = 4096;

void add(const std::string& name, const std::function<void(Prng&, InstructionSet)>& sample) {
    for (InstructionSet set : supported_instruction_sets())
        if (set <= InstructionSet::kAvx512)
            benchmark::RegisterBenchmark((name + "/" + std::string(to_string(set))).c_str(),
                                         [=](benchmark::State& state) {
                                             const StreamKey key(SecretSeed::for_testing(1), "bench", {}, set);
                                             Prng rng = key.stream(0);
                                             for (auto _ : state) {
                                                 sample(rng, set);
                                                 benchmark::ClobberMemory();
                                             }
                                         });
}

const bool kRegistered = [] {
    static std::vector<std::int8_t> small(n);
    static std::vector<std::uint64_t> residues(n);
    add("Sample/ternary", [](Prng& rng, InstructionSet set) { sample_ternary(rng, small, set); });
    add("Sample/error", [](Prng& rng, InstructionSet set) { sample_error(rng, small, set); });
    for (int bits : {36, 50}) {
        const Modulus p(largest_prime_below(1ull << bits, 8192));
        add("Sample/uniform/" + std::to_string(bits) + "bit",
            [p](Prng& rng, InstructionSet set) { sample_uniform(rng, p, residues, set); });
    }
    return true;
}();

}  // namespace
}  // namespace flash::lattice
