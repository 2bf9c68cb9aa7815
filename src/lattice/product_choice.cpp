#include "lattice/product_choice.h"

#include <tbb/task_arena.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "lattice/arrangement.h"
#include "lattice/transform_product.h"

namespace flash::lattice {

namespace {

/// Seconds for what one thread multiplies in a product of 3 x 3 windows. Zeros do as well as anything: the time does
/// not depend on values.
double measure_direct(InstructionSet set) {
    constexpr std::size_t kDegree = 2048, kInputs = 64, kTaps = 9, kTiles = 32;
    // A block of rows of each kernel; the portable one is slow.
    const std::size_t rows = set >= InstructionSet::kAvx512 ? 32 : set >= InstructionSet::kNeon ? 16 : 4;
    std::vector<ShiftedInput> columns;
    for (std::uint32_t input = 0; input < kInputs; ++input)
        for (std::size_t tap = 0; tap < kTaps; ++tap) columns.push_back({input, -static_cast<std::int32_t>(tap)});
    const WeightRows weights = [](std::size_t, std::span<std::int8_t> row) { std::ranges::fill(row, std::int8_t{0}); };
    const std::vector<std::uint32_t> in(kInputs * kDegree);
    const CoefficientTiles tiles = CoefficientTiles::whole(kTiles * CoefficientTiles::kTile);
    std::vector<std::uint32_t> out(rows * tiles.words());
    const ProductMatrix matrix{kDegree, kInputs, rows, columns, weights, 1};
    const std::unique_ptr<const Arrangement> direct =
        set >= InstructionSet::kAvx512 ? arrange_bytes(matrix, set) : arrange_words(matrix, set);
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

namespace {

/// Seconds of what belongs to transforms of the inputs and the rows, and of the products.
double transform_seconds(const ProductShape& shape, std::size_t transforms, int parts, const ProductRates& rates) {
    const std::size_t n = shape.n;
    // n log n, in transforms of 2048 = 2^11 coefficients.
    const double size = static_cast<double>(n) * static_cast<double>(std::bit_width(n) - 1) / (2048.0 * 11);
    return parts * (static_cast<double>(transforms) * size * rates.transform +
                    static_cast<double>(shape.inputs * shape.rows * n) * rates.transform_multiply_add);
}

}  // namespace

ProductOffer offer_of(const ProductShape& shape, const ProductUse& use, const ProductRates& rates, InstructionSet set) {
    const auto& [n, inputs, rows, columns] = shape;
    const std::size_t tiles = use.tiles == 0 ? n / CoefficientTiles::kTile : use.tiles;
    const double multiply_adds = set >= InstructionSet::kAvx512
                                     ? byte_multiply_adds(columns, rows, tiles, use.zero_low_bytes, set)
                                     : static_cast<double>(rows) * static_cast<double>(columns.size()) *
                                           static_cast<double>(CoefficientTiles::kTile * tiles);
    ProductOffer offer{multiply_adds * rates.direct_multiply_add, 0, 0};
    if (!transforms_fit(n, columns.size())) return offer;
    offer.transform_seconds =
        transform_seconds(shape, inputs + rows, transform_parts(n, columns.size(), use.zero_low_bytes), rates);
    offer.transform_bytes = transform_memory_bytes(n, inputs, rows);
    return offer;
}

std::vector<ProductMethod> choose_methods(std::span<const ProductOffer> offers, std::size_t budget_bytes) {
    std::vector<ProductMethod> methods(offers.size(), ProductMethod::kDirect);
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < offers.size(); ++i)
        if (offers[i].transform_bytes > 0 && offers[i].transform_seconds < kWorthTransforms * offers[i].direct_seconds)
            order.push_back(i);
    const auto saved_per_byte = [&](std::size_t i) {
        return (offers[i].direct_seconds - offers[i].transform_seconds) /
               static_cast<double>(offers[i].transform_bytes);
    };
    std::ranges::stable_sort(order, std::ranges::greater(), saved_per_byte);
    for (std::size_t i : order) {
        if (offers[i].transform_bytes > budget_bytes) continue;
        budget_bytes -= offers[i].transform_bytes;
        methods[i] = ProductMethod::kTransform;
    }
    return methods;
}

bool passing_transforms_pay(const ProductShape& shape, double direct_multiply_adds, std::size_t columns,
                            const ProductRates& rates) {
    if (!transforms_fit(shape.n, columns)) return false;
    // Each weight is read, placed and reduced by itself.
    constexpr double kSecondsPerWeight = 4e-9;
    const double weights = static_cast<double>(shape.rows) * static_cast<double>(columns) * kSecondsPerWeight;
    const double made = transform_seconds({shape.n, 0, 0, {}}, shape.rows * shape.inputs, 1, rates);
    // The few transforms of inputs and results that are made again for every piece are within this factor.
    return 1.2 * (weights + made +
                  transform_seconds(shape, shape.rows + shape.inputs, transform_parts(shape.n, columns, 0), rates)) <
           direct_multiply_adds * rates.direct_multiply_add;
}

}  // namespace flash::lattice
