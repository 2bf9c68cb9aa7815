// Shifted products of the shapes that layers have, one thread, one row per instruction set, and the bare
// multiply-accumulate loop of each set. Counters: "GMAC" multiply-adds of words a second; "rate" multiply-adds of what
// the instructions multiply (bytes for VNNI and AMX) a second, to be compared with the bare loop's; "MiB" what the
// arranged weights take. The shapes of small maps have rows for the product through transforms ("TransformProduct") as
// well; there "chosen" is 1 where that method would be chosen.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <tbb/global_control.h>

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "comparison/kernels/bare_loops.h"
#include "lattice/shifted_product.h"

namespace flash::lattice {
namespace {

constexpr std::size_t kDegree = 2048;

/// Inputs that hold g1 channels each, rows that hold g2, `spacing` coefficients apart, results on the first `extent` of
/// each.
struct Shape {
    const char* name;
    std::size_t inputs, rows, kernel, row_stride, g1, g2, spacing, extent;
    bool small_map = false;
};

constexpr Shape kShapes[] = {
    {"64x56x56", 64, 64, 3, 57, 1, 1, 2048, 1881},       {"128x28x28", 128, 64, 3, 29, 1, 2, 870, 811},
    {"256x14x14", 64, 128, 3, 15, 4, 2, 240, 209, true}, {"512x7x7", 86, 128, 3, 8, 6, 4, 72, 55, true},
    {"16x32x32", 16, 16, 3, 33, 1, 1, 2048, 1055},       {"64x8x8", 16, 13, 3, 9, 4, 5, 90, 71, true},
    {"32x16x16", 11, 16, 3, 17, 3, 2, 306, 271, true},   {"512-1000", 1, 250, 1, 1, 512, 4, 1, 1, true},
};

void product(benchmark::State& state, const Shape& shape, InstructionSet set, int zero_low_bytes,
             ProductMethod method) {
    const tbb::global_control one_thread(tbb::global_control::max_allowed_parallelism, 1);
    std::mt19937 rng(1);
    std::vector<std::uint32_t> in(shape.inputs * kDegree);
    for (std::uint32_t& x : in) x = static_cast<std::uint32_t>(rng()) << (8 * zero_low_bytes);
    std::vector<ShiftedInput> columns;
    for (std::uint32_t c = 0; c < shape.inputs; ++c)
        for (std::size_t packed = 0; packed < shape.g1; ++packed)
            for (std::size_t slot = 0; slot < shape.g2; ++slot)
                for (std::size_t y = 0; y < shape.kernel; ++y)
                    for (std::size_t x = 0; x < shape.kernel; ++x)
                        columns.push_back(
                            {c, (static_cast<std::int32_t>(slot * shape.g1) - static_cast<std::int32_t>(packed)) *
                                        static_cast<std::int32_t>(shape.spacing) -
                                    static_cast<std::int32_t>(y * shape.row_stride + x) +
                                    static_cast<std::int32_t>(shape.row_stride + 1)});
    std::vector<std::int8_t> weights(shape.rows * columns.size());
    for (std::int8_t& w : weights) w = static_cast<std::int8_t>(rng());
    std::vector<CoefficientRange> ranges;
    for (std::uint32_t slot = 0; slot < shape.g2; ++slot) {
        const auto begin = static_cast<std::uint32_t>(slot * shape.g1 * shape.spacing);
        ranges.push_back({begin, begin + static_cast<std::uint32_t>(shape.extent)});
    }
    const CoefficientTiles tiles(ranges);
    const auto make = [&](std::optional<ProductMethod> forced) {
        return ShiftedProduct(kDegree, shape.inputs, columns, weights, shape.rows, 1,
                              {tiles.count(), zero_low_bytes, forced}, set);
    };
    const ShiftedProduct product = make(method);
    std::vector<std::uint32_t> out(shape.rows * tiles.words());
    for (auto _ : state) product.apply(in, tiles, zero_low_bytes, out);
    state.counters["MiB"] = static_cast<double>(product.memory_bytes()) / (1 << 20);
    if (shape.small_map) state.counters["chosen"] = make({}).method() == method;
    const double macs = static_cast<double>(state.iterations()) * product.multiply_adds(tiles);
    state.counters["GMAC"] = benchmark::Counter(macs * 1e-9, benchmark::Counter::kIsRate);
    if (method == ProductMethod::kDirect)
        state.counters["rate"] = benchmark::Counter(
            macs * 1e-9 * (set >= InstructionSet::kAvx512 ? 4 - zero_low_bytes : 1), benchmark::Counter::kIsRate);
}

void bare(benchmark::State& state, double (*loop)(std::uint64_t)) {
    double macs = 0;
    for (auto _ : state) macs += loop(100'000);
    state.counters["rate"] = benchmark::Counter(macs * 1e-9, benchmark::Counter::kIsRate);
}

const bool registered = [] {
    for (InstructionSet set : supported_instruction_sets()) {
        const std::string suffix(to_string(set));
        if (comparison::bare_loop(set))
            benchmark::RegisterBenchmark(("Bare/" + suffix).c_str(), bare, comparison::bare_loop(set));
        for (const Shape& shape : kShapes)
            for (int zero_low_bytes : {0, 1}) {
                const std::string name = fmt::format("{}/{}bit/{}", shape.name, 32 - 8 * zero_low_bytes, suffix);
                const auto add = [&](const std::string& kind, ProductMethod method) {
                    benchmark::RegisterBenchmark(fmt::format("{}/{}", kind, name).c_str(), [=](benchmark::State& s) {
                        product(s, shape, set, zero_low_bytes, method);
                    })->Unit(benchmark::kMicrosecond);
                };
                add("ShiftedProduct", ProductMethod::kDirect);
                if (shape.small_map) add("TransformProduct", ProductMethod::kTransform);
            }
    }
    return true;
}();

}  // namespace
}  // namespace flash::lattice
