#include <benchmark/benchmark.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <string>

#include "base/aligned.h"
#include "lattice/ntt.h"

namespace flash::lattice {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// Core clock in Hz, from a chain of dependent additions, one cycle each: the best of many short runs.
double core_clock() {
    constexpr int kSteps = 200000;
    double best = 0;
    for (int run = 0; run < 50; ++run) {
        std::uint64_t x = 1;
        const auto begin = Clock::now();
        for (int i = 0; i < kSteps; ++i) asm volatile("add $1, %0" : "+r"(x));
        best = std::max(best, kSteps / seconds_since(begin));
    }
    return best;
}

/// Counters: the fastest of all transforms in microseconds, and its core cycles per butterfly (n/2 log2 n of them).
void transform(benchmark::State& state, std::size_t n, const Modulus& modulus, InstructionSet set, bool inverse) {
    static const double clock = core_clock();
    const NttTables ntt(n, modulus);
    AlignedVector<std::uint64_t> x(n, 12345);
    double best = 1;
    for (auto _ : state) {
        const auto begin = Clock::now();
        if (inverse)
            ntt.inverse(x, set);
        else
            ntt.forward(x, set);
        benchmark::DoNotOptimize(x.data());
        best = std::min(best, seconds_since(begin));
    }
    state.counters["min_us"] = best * 1e6;
    const double butterflies = 0.5 * static_cast<double>(n) * std::countr_zero(n);
    state.counters["cycles_per_butterfly"] = best * clock / butterflies;
}

void add(std::size_t n, const std::string& name, const Modulus& modulus, InstructionSet set) {
    for (bool inverse : {false, true}) {
        const std::string row = std::string("Ntt/") + (inverse ? "inverse/" : "forward/") + std::to_string(n) + "/" +
                                name + "/" + std::string(to_string(set));
        benchmark::RegisterBenchmark(row.c_str(), [=](benchmark::State& s) { transform(s, n, modulus, set, inverse); });
    }
}

const bool registered = [] {
    for (InstructionSet set : supported_instruction_sets()) {
        if (set == InstructionSet::kAmx) continue;  // no sibling
        for (std::size_t n : {2048u, 4096u})
            for (int bits : {24, 36, 50, 54})
                if (bits <= 50 || set == InstructionSet::kPortable)
                    add(n, std::to_string(bits) + "bit", Modulus(largest_prime_below(1ull << bits, 2 * n)), set);
        // Those of the composite scheme: Delta's, and two plaintext moduli in one.
        for (std::size_t n : {8192u, 16384u}) {
            const Modulus first(largest_prime_below(1 << 24, 2 * n)), second(largest_prime_below(first.value(), 2 * n));
            for (int bits : {41, 44, 45})
                add(n, std::to_string(bits) + "bit", Modulus(largest_prime_below(1ull << bits, 2 * n)), set);
            add(n, "24and24bit", Modulus::product(first, second), set);
        }
    }
    return true;
}();

}  // namespace
}  // namespace flash::lattice
