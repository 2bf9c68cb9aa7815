// Samplers and bit packing, per polynomial of 4096 coefficients.
#include <benchmark/benchmark.h>

#include <vector>

#include "lattice/bitpack.h"
#include "lattice/sampling.h"

namespace flash::lattice {
namespace {

constexpr std::size_t n = 4096;

Prng generator() { return Prng(SecretSeed::for_testing(1), "bench"); }

void BM_Ternary(benchmark::State& state) {
    Prng rng = generator();
    std::vector<std::int8_t> out(n);
    for (auto _ : state) sample_ternary(rng, out);
}
void BM_Error(benchmark::State& state) {
    Prng rng = generator();
    std::vector<std::int8_t> out(n);
    for (auto _ : state) sample_error(rng, out);
}
void BM_Uniform(benchmark::State& state) {
    Prng rng = generator();
    const Modulus p(largest_prime_below(1ull << 50, 8192));
    std::vector<std::uint64_t> out(n);
    for (auto _ : state) sample_uniform(rng, p, out);
}
void BM_Flooding(benchmark::State& state) {
    Prng rng = generator();
    const Modulus p(largest_prime_below(1ull << 50, 8192)), q(largest_prime_below(p.value(), 8192));
    std::vector<std::uint64_t> x(n), y(n);
    for (auto _ : state) sample_flooding(rng, 74, p, q, x, y);
}
void BM_Pack(benchmark::State& state) {
    const int bits = static_cast<int>(state.range(0));
    std::vector<std::uint64_t> in(n, 77);
    std::vector<std::uint8_t> out(packed_bytes(n, bits));
    for (auto _ : state) {
        pack(std::span<const std::uint64_t>(in), bits, out);
        benchmark::ClobberMemory();
    }
}
void BM_Unpack(benchmark::State& state) {
    const int bits = static_cast<int>(state.range(0));
    std::vector<std::uint64_t> out(n);
    const std::vector<std::uint8_t> in(packed_bytes(n, bits), 77);
    for (auto _ : state) {
        unpack(in, bits, std::span<std::uint64_t>(out));
        benchmark::ClobberMemory();
    }
}
BENCHMARK(BM_Ternary);
BENCHMARK(BM_Error);
BENCHMARK(BM_Uniform);
BENCHMARK(BM_Flooding);
BENCHMARK(BM_Pack)->Arg(13)->Arg(34)->Arg(50)->Arg(54);
BENCHMARK(BM_Unpack)->Arg(13)->Arg(34)->Arg(50)->Arg(54);

}  // namespace
}  // namespace flash::lattice
