#include "lattice/product_choice.h"

#include <tbb/task_arena.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <mutex>
#include <vector>

#include "lattice/transform_product.h"

namespace flash::lattice {

namespace {

/// Seconds for what one thread multiplies in a product of 3 x 3 windows. Zeros do as well as anything: the time does not depend on values.
double measure_direct(InstructionSet set) {
    constexpr std::size_t kDegree = 2048, kInputs = 64, kTaps = 9, kTiles = 32;
    // A block of rows of each kernel; the portable one is slow.
    const std::size_t rows = set >= InstructionSet::kAvx512 ? 32 : set == InstructionSet::kAvx2 ? 16 : 4;
    std::vector<ShiftedInput> columns;
    for (std::uint32_t input = 0; input < kInputs; ++input)
        for (std::size_t tap = 0; tap < kTaps; ++tap) columns.push_back({input, -static_cast<std::int32_t>(tap)});
    const std::vector<std::int8_t> weights(rows * columns.size());
    const std::vector<std::uint32_t> in(kInputs * kDegree);
    const CoefficientTiles tiles = CoefficientTiles::whole(kTiles * CoefficientTiles::kTile);
    std::vector<std::uint32_t> out(rows * tiles.words());
    const ProductMatrix matrix{kDegree, kInputs, rows, columns, weights, 1};
    const auto direct = set >= InstructionSet::kAvx512 ? arrange_bytes(matrix, set) : arrange_words(matrix, set);
    double best = 1e9;
    tbb::task_arena one_thread(1);
    one_thread.execute([&] {
        for (int i = 0; i < 3; ++i) {
            const auto start = std::chrono::steady_clock::now();
            direct->apply(in, tiles.starts(), 0, out);
            best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
        }
    });
    return best / direct->multiply_adds(kTiles, 0);
}

}  // namespace

const ProductRates& product_rates(InstructionSet set) {
    constexpr std::size_t kSets = static_cast<std::size_t>(InstructionSet::kAmx) + 1;
    static std::array<std::once_flag, kSets> measured;
    static std::array<ProductRates, kSets> rates;
    const auto at = static_cast<std::size_t>(set);
    std::call_once(measured[at], [&] {
        const TransformRates transforms = measure_transforms(set);
        rates[at] = {measure_direct(set), transforms.transform, transforms.multiply_add};
    });
    return rates[at];
}

bool choose_transforms(const ProductMatrix& matrix, const Arrangement& direct, const ProductUse& use, InstructionSet set) {
    const std::size_t n = matrix.n, columns = matrix.columns.size();
    if (!transforms_fit(n, columns) || transform_memory_bytes(n, matrix.inputs, matrix.rows) > kMaxTransformBytes) return false;
    const ProductRates& rates = product_rates(set);
    const double parts = transform_parts(n, columns, use.zero_low_bytes);
    // n log n, in transforms of 2048 = 2^11 coefficients.
    const double size = static_cast<double>(n) * static_cast<double>(std::bit_width(n) - 1) / (2048.0 * 11);
    const double transforms = static_cast<double>(matrix.inputs + matrix.rows) * size * rates.transform;
    const double products = static_cast<double>(matrix.inputs * matrix.rows * n) * rates.transform_multiply_add;
    const std::size_t tiles = use.tiles == 0 ? n / CoefficientTiles::kTile : use.tiles;
    return parts * (transforms + products) < kWorthTransforms * direct.multiply_adds(tiles, use.zero_low_bytes) * rates.direct_multiply_add;
}

}  // namespace flash::lattice
