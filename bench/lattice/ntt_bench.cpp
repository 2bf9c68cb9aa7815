#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "lattice/ntt.h"

namespace flash::lattice {
namespace {

void transform(benchmark::State& state, std::size_t n, int bits, InstructionSet set, bool inverse) {
    const NttTables ntt(n, largest_prime_below(1ull << bits, 2 * n));
    std::vector<std::uint64_t> x(n, 12345);
    for (auto _ : state) {
        if (inverse)
            ntt.inverse(x, set);
        else
            ntt.forward(x, set);
        benchmark::DoNotOptimize(x.data());
    }
}

const bool registered = [] {
    for (std::size_t n : {2048u, 4096u})
        for (int bits : {50, 54})
            for (InstructionSet set : supported_instruction_sets()) {
                if (bits > 50 && set != InstructionSet::kPortable) continue;  // no sibling for such primes
                for (bool inverse : {false, true}) {
                    const std::string name = std::string("Ntt/") + (inverse ? "inverse/" : "forward/") + std::to_string(n) + "/" +
                                             std::to_string(bits) + "bit/" + std::string(to_string(set));
                    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& s) { transform(s, n, bits, set, inverse); });
                }
            }
    return true;
}();

}  // namespace
}  // namespace flash::lattice
