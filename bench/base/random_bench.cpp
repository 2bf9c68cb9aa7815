// Random streams: bits per second for every instruction set (portable is OpenSSL), and the cost of opening a stream.
#include <benchmark/benchmark.h>

#include <array>
#include <string>
#include <vector>

#include "base/random.h"

namespace flash {
namespace {

void fill(benchmark::State& state, InstructionSet set, std::size_t bytes) {
    const StreamKey key(PublicSeed{}, "bench", {}, set);
    Prng rng = key.stream(0);
    std::vector<std::uint8_t> out(bytes);
    for (auto _ : state) {
        rng.fill(out);
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * static_cast<std::int64_t>(state.iterations()));
}
const bool kRegistered = [] {
    for (std::size_t bytes : {64u, 4096u, 65536u})
        for (InstructionSet set : supported_instruction_sets())
            if (set <= InstructionSet::kAvx512)
                benchmark::RegisterBenchmark(
                    ("Random/fill/" + std::to_string(bytes) + "/" + std::string(to_string(set))).c_str(), fill, set,
                    bytes);
    return true;
}();

void BM_RandomKey(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(StreamKey(PublicSeed{}, "bench"));
}
void BM_RandomOpenStream(benchmark::State& state) {
    const StreamKey key(PublicSeed{}, "bench");
    std::uint64_t index = 0;
    std::array<std::uint64_t, 2> out{};
    for (auto _ : state) {
        key.stream(index++ & 0xffff).fill_u64(out);
        benchmark::DoNotOptimize(out);
    }
}
BENCHMARK(BM_RandomKey);
BENCHMARK(BM_RandomOpenStream);

}  // namespace
}  // namespace flash
