#include <benchmark/benchmark.h>
#include <tbb/global_control.h>

#include <random>
#include <string>
#include <vector>

#include "lattice/kernels/conv.h"

namespace flash::lattice {
namespace {

// A 3x3 convolution of `channels` to `channels` polynomials of 2048 words, on one thread. Rate: multiply-adds per second.
void convolution(benchmark::State& state, std::size_t channels, InstructionSet set) {
    const tbb::global_control one_thread(tbb::global_control::max_allowed_parallelism, 1);
    constexpr std::size_t n = 2048;
    std::mt19937 rng(1);
    std::vector<std::uint32_t> in(channels * n), out(channels * n);
    for (std::uint32_t& x : in) x = static_cast<std::uint32_t>(rng());
    std::vector<ShiftedInput> columns;
    for (std::uint32_t c = 0; c < channels; ++c)
        for (std::uint32_t shift : {0u, 1u, 2u, 33u, 34u, 35u, 66u, 67u, 68u}) columns.push_back({c, shift});
    std::vector<std::int8_t> weights(channels * columns.size());
    for (std::int8_t& w : weights) w = static_cast<std::int8_t>(rng());
    for (auto _ : state) shifted_product(in, n, columns, weights, channels, 1, out, set);
    state.counters["GMAC"] = benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(weights.size() * n) * 1e-9,
                                                benchmark::Counter::kIsRate);
}

const bool registered = [] {
    for (std::size_t channels : {4u, 16u, 64u})
        for (InstructionSet set : supported_instruction_sets()) {
            const std::string name = "ShiftedProduct/" + std::to_string(channels) + "x9/" + std::string(to_string(set));
            benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& s) { convolution(s, channels, set); });
        }
    return true;
}();

}  // namespace
}  // namespace flash::lattice
