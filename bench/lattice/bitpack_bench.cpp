// Bit packing of 4096 values (32-bit words up to 26 bits, 64-bit words above), one row for each instruction set.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "lattice/bitpack.h"

namespace flash::lattice {
namespace {

constexpr std::size_t n = 4096;

template <class Word>
void add(int bits) {
    for (InstructionSet set : supported_instruction_sets()) {
        if (set > InstructionSet::kAvx512) continue;
        const std::string suffix = "/" + std::to_string(bits) + "bit/" + std::string(to_string(set));
        benchmark::RegisterBenchmark(("Pack" + suffix).c_str(), [=](benchmark::State& state) {
            const std::vector<Word> in(n, 77);
            std::vector<std::uint8_t> out(packed_bytes(n, bits));
            for (auto _ : state) {
                pack(std::span<const Word>(in), bits, out, set);
                benchmark::ClobberMemory();
            }
        });
        benchmark::RegisterBenchmark(("Unpack" + suffix).c_str(), [=](benchmark::State& state) {
            const std::vector<std::uint8_t> in(packed_bytes(n, bits), 77);
            std::vector<Word> out(n);
            for (auto _ : state) {
                unpack(in, bits, std::span<Word>(out), set);
                benchmark::ClobberMemory();
            }
        });
    }
}

const bool kRegistered = [] {
    for (int bits : {8, 17, 21, 26}) add<std::uint32_t>(bits);
    for (int bits : {34, 36, 50, 54}) add<std::uint64_t>(bits);
    return true;
}();

}  // namespace
}  // namespace flash::lattice
