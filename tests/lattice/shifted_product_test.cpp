#include "lattice/shifted_product.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "base/error.h"
#include "lattice/arrangement.h"
#include "lattice/kernels/shifted_bytes_amx.h"
#include "lattice/product_choice.h"
#include "reference.h"

namespace flash::lattice {
namespace {

struct Case {
    std::size_t n, inputs, rows;
    std::vector<ShiftedInput> columns;
    std::vector<std::uint32_t> in;
    std::vector<std::int8_t> weights;
    std::uint32_t multiplier = 1;
};

Case random_case(std::size_t n, std::size_t inputs, std::size_t rows, std::size_t columns, std::uint64_t seed) {
    std::mt19937_64 generator(seed);
    Case c{n, inputs, rows, {}, reference::random_words(inputs * n, seed), {}};
    for (std::size_t i = 0; i < columns; ++i)
        c.columns.push_back({static_cast<std::uint32_t>(generator() % inputs),
                             static_cast<std::int32_t>(generator() % (2 * n)) - static_cast<std::int32_t>(n)});
    for (std::size_t i = 0; i < rows * columns; ++i) c.weights.push_back(static_cast<std::int8_t>(generator()));
    c.multiplier = static_cast<std::uint32_t>(generator());
    return c;
}

/// The definition, at all coefficients.
std::vector<std::uint32_t> expected_sums(const Case& c) {
    std::vector<std::uint32_t> sums(c.rows * c.n);
    for (std::size_t r = 0; r < c.rows; ++r)
        for (std::size_t k = 0; k < c.columns.size(); ++k) {
            const std::uint32_t weight = static_cast<std::uint32_t>(int{c.weights[r * c.columns.size() + k]});
            for (std::size_t j = 0; j < c.n; ++j) {
                const std::size_t to =
                    (j + static_cast<std::size_t>(c.columns[k].shift + static_cast<std::int32_t>(2 * c.n))) % (2 * c.n);
                const std::uint32_t term = c.multiplier * weight * c.in[c.columns[k].input * c.n + j];
                sums[r * c.n + to % c.n] += to < c.n ? term : 0 - term;
            }
        }
    return sums;
}

void check(const Case& c, const std::vector<CoefficientRange>& ranges, int zero_low_bytes = 0) {
    const std::vector<std::uint32_t> expected = expected_sums(c);
    const CoefficientTiles tiles(ranges);
    const std::vector<std::uint32_t> start = reference::random_words(c.rows * tiles.words(), 7);
    for (InstructionSet set : supported_instruction_sets()) {
        std::vector<std::uint32_t> direct;
        for (ProductMethod method : {ProductMethod::kDirect, ProductMethod::kTransform}) {
            std::vector<std::uint32_t> out = start;
            ShiftedProduct(c.n, c.inputs, c.columns, c.weights, c.rows, c.multiplier, {0, 0, method}, set)
                .apply(c.in, tiles, zero_low_bytes, out);
            for (std::size_t r = 0; r < c.rows; ++r)
                for (const CoefficientRange& range : ranges)
                    for (std::uint32_t j = range.begin; j < range.end; ++j) {
                        const std::size_t at = r * tiles.words() + tiles.compact(j);
                        ASSERT_EQ(out[at], start[at] + expected[r * c.n + j])
                            << to_string(set) << (method == ProductMethod::kDirect ? " direct" : " transform") << " n "
                            << c.n << " rows " << c.rows << " columns " << c.columns.size() << " row " << r
                            << " coefficient " << j;
                    }
            // Also where nobody asked: tiles that run past a range or the end.
            if (method == ProductMethod::kDirect) direct = out;
            ASSERT_EQ(out, direct) << to_string(set);
        }
    }
}

void check_whole(const Case& c) { check(c, {{0, static_cast<std::uint32_t>(c.n)}}); }

/// apply_once(), whichever way it takes.
void check_once(const Case& c) {
    const std::vector<std::uint32_t> expected = expected_sums(c), start = reference::random_words(c.rows * c.n, 8);
    for (InstructionSet set : supported_instruction_sets())
        for (ProductMethod held : {ProductMethod::kDirect, ProductMethod::kTransform}) {
            const ShiftedProduct product(c.n, c.inputs, c.columns, c.weights, c.rows, c.multiplier, {0, 0, held}, set);
            for (std::optional<ProductMethod> method :
                 {std::optional<ProductMethod>{}, {ProductMethod::kDirect}, {ProductMethod::kTransform}}) {
                std::vector<std::uint32_t> out = start;
                product.apply_once(c.in, out, method);
                for (std::size_t i = 0; i < out.size(); ++i)
                    ASSERT_EQ(out[i], start[i] + expected[i]) << to_string(set) << " word " << i;
            }
        }
}

TEST(ShiftedProduct, RandomShapes) {
    std::uint64_t seed = 1;
    for (std::size_t n : {64u, 512u, 1024u, 2048u})
        for (std::size_t rows : {1u, 2u, 3u, 4u, 5u, 9u})
            for (std::size_t columns : {1u, 7u, 40u})
                check_whole(random_case(n, 1 + columns / 3, rows, columns, seed++));
    check_whole(random_case(64, 3, 17, 1100, seed++));  // several passes over the columns, many of one input and shift
    check_whole(random_case(128, 70, 35, 300, seed++));
    check_whole(random_case(1024, 2, 0, 3, seed++));
    check_whole(random_case(1024, 2, 3, 0, seed++));
}

TEST(ShiftedProduct, OnlySomeCoefficients) {
    std::uint64_t seed = 50;
    for (std::size_t n : {64u, 512u, 1024u, 2048u})
        for (std::uint32_t step : {17u, 31u, 100u}) {
            std::vector<CoefficientRange> ranges;
            for (std::uint32_t at = step / 3; at < n; at += step)
                ranges.push_back({at, std::min(at + 1 + at % step, static_cast<std::uint32_t>(n))});
            check(random_case(n, 9, 7, 50, seed++), ranges);
            check(random_case(n, 3, 33, 20, seed++),
                  {{static_cast<std::uint32_t>(n - 1), static_cast<std::uint32_t>(n)}});
        }
}

TEST(ShiftedProduct, LowBytesThatAreZeroMayBeLeftOut) {
    for (int zero_low_bytes : {1, 2, 3}) {
        Case c = random_case(512, 11, 10, 60, static_cast<std::uint64_t>(80 + zero_low_bytes));
        for (std::uint32_t& word : c.in) word <<= 8 * zero_low_bytes;
        check(c, {{3, 100}, {200, 512}}, zero_low_bytes);
    }
}

TEST(ShiftedProduct, EdgeValues) {
    Case c = random_case(256, 4, 6, 9, 99);
    c.columns[0].shift = 0;
    c.columns[1].shift = 255;
    c.columns[2].shift = -256;
    for (std::uint32_t word : {0u, 0xffffffffu, 0x80000000u, 0x7fff8000u})
        for (int weight : {-128, -127, -1, 0, 1, 127}) {
            c.in.assign(c.in.size(), word);
            c.weights.assign(c.weights.size(), static_cast<std::int8_t>(weight));
            for (std::uint32_t multiplier : {0u, 1u, 0xffffffffu}) {
                c.multiplier = multiplier;
                check_whole(c);
            }
        }
}

TEST(ShiftedProduct, LargestIntegersThatTransformsMustHold) {
    // Everything meets in one coefficient, at the extremes of words and weights: with 2047 columns a word is
    // transformed whole, and the integer is just below half of the prime; with 2048 it has to be split. 20,000 columns
    // fit whole where a low byte is dropped.
    for (std::size_t columns : {2047u, 2048u})
        for (std::int32_t shift : {0, 5, -64})
            for (int weight : {-128, 127})
                for (std::uint32_t word : {0x80000000u, 0x7fffffffu, 0x80007fffu, 0xffffffffu}) {
                    Case c = random_case(64, 2, 1, columns, columns);
                    for (ShiftedInput& column : c.columns) column.shift = shift;
                    c.in.assign(c.in.size(), word);
                    c.weights.assign(c.weights.size(), static_cast<std::int8_t>(weight));
                    check_whole(c);
                }
    Case c = random_case(64, 2, 1, 20'000, 7);
    for (ShiftedInput& column : c.columns) column.shift = 1;
    c.weights.assign(c.weights.size(), -128);
    c.in.assign(c.in.size(), 0x80000000u);
    for (int zero_low_bytes : {0, 1, 3}) check(c, {{0, 64}}, zero_low_bytes);
}

TEST(ShiftedProduct, ManyInputsAreReducedInBetween) {
    Case c = random_case(64, 2100, 6, 2100, 31);
    for (std::uint32_t i = 0; i < c.columns.size(); ++i) c.columns[i].input = i;
    check_whole(c);
    for (std::uint32_t& word : c.in) word &= 0xffffff00u;
    check(c, {{3, 60}}, 1);
}

TEST(ShiftedProduct, OnceIsTheSame) {
    check_once(random_case(64, 3, 5, 7, 1));
    check_once(random_case(256, 1, 1, 1, 2));
    // More inputs and rows than one piece, the last ones not full; several columns of one input and shift; inputs
    // without a column.
    check_once(random_case(64, 50, 70, 20, 6));
    Case dense = random_case(64, 21, 37, 21 * 400, 3);
    dense.columns[5] = dense.columns[9] = dense.columns[17];
    check_once(dense);
    const Case c = random_case(64, 2, 3, 500, 5);
    std::vector<std::uint32_t> out(3 * 64);
    const ShiftedProduct product(c.n, c.inputs, c.columns, c.weights, c.rows, c.multiplier);
    EXPECT_THROW(product.apply_once(std::span(c.in).first(64), out), Error);
    EXPECT_THROW(product.apply_once(c.in, std::span(out).first(128)), Error);
}

TEST(ProductChoice, SizesAndRatesDecideWhetherTransformsPassBy) {
    const ProductRates rates{1e-12, 2e-6, 1e-10};
    EXPECT_TRUE(passing_transforms_pay({2048, 64, 64, {}}, 64.0 * 2048 * 64 * 1024, 64 * 256, {1e-9, 2e-6, 1e-10}));
    EXPECT_FALSE(passing_transforms_pay({2048, 64, 64, {}}, 64.0 * 2048 * 64 * 9, 64 * 9, rates));
    EXPECT_FALSE(passing_transforms_pay({16384, 64, 64, {}}, 1e18, 64 * 9, rates));  // no transforms for that degree
}

TEST(ProductChoice, TheBudgetGoesWhereItSavesMostForItsBytes) {
    using enum ProductMethod;
    const auto chosen = [](std::vector<ProductOffer> offers, std::size_t budget) {
        return choose_methods(offers, budget);
    };
    //                                      direct, transforms, bytes
    const std::vector<ProductOffer> offers{{10, 2, 800},  // saves 0.01 a byte
                                           {10, 9, 10},   // saves too little, whatever it takes
                                           {5, 1, 100},   // 0.04
                                           {100, 10, 0},  // impossible
                                           {9, 1, 400},   // 0.02
                                           {1, 2, 1}};    // slower
    EXPECT_EQ(chosen(offers, 0), std::vector<ProductMethod>(6, kDirect));
    EXPECT_EQ(chosen(offers, 99), std::vector<ProductMethod>(6, kDirect));
    EXPECT_EQ(chosen(offers, 100),
              (std::vector<ProductMethod>{kDirect, kDirect, kTransform, kDirect, kDirect, kDirect}));
    EXPECT_EQ(chosen(offers, 899),
              (std::vector<ProductMethod>{kDirect, kDirect, kTransform, kDirect, kTransform, kDirect}));
    // What does not fit is passed over for what does.
    EXPECT_EQ(chosen({{10, 2, 800}, {5, 1, 900}, {1, 0.5, 200}}, 1000),
              (std::vector<ProductMethod>{kTransform, kDirect, kTransform}));
    EXPECT_EQ(chosen(offers, 1300),
              (std::vector<ProductMethod>{kTransform, kDirect, kTransform, kDirect, kTransform, kDirect}));
    // The first of equals.
    EXPECT_EQ(chosen({{5, 1, 100}, {5, 1, 100}}, 100), (std::vector<ProductMethod>{kTransform, kDirect}));
    EXPECT_TRUE(chosen({}, 100).empty());
}

TEST(ProductChoice, AnOfferCountsWhatTheArrangementWillMultiply) {
    const Case c = random_case(2048, 70, 6, 900, 9);
    const ProductRates rates{1e-3, 0, 0};  // seconds are milli-multiply-adds
    for (InstructionSet set : supported_instruction_sets()) {
        const ProductShape shape{c.n, c.inputs, c.rows, c.columns};
        const ProductOffer offer = offer_of(shape, {10, 1, {}}, rates, set);
        const WeightRows weights = [&](std::size_t row, std::span<std::int8_t> out) {
            std::ranges::copy(std::span(c.weights).subspan(row * c.columns.size(), c.columns.size()), out.begin());
        };
        const ProductMatrix matrix{c.n, c.inputs, c.rows, c.columns, weights, 1};
        const auto direct = set >= InstructionSet::kAvx512 ? arrange_bytes(matrix, set) : arrange_words(matrix, set);
        EXPECT_DOUBLE_EQ(offer.direct_seconds, 1e-3 * direct->multiply_adds(10, 1)) << to_string(set);
        EXPECT_EQ(offer.transform_bytes, 8u * 2048 * 70 * 6);
    }
    EXPECT_EQ(
        offer_of({16384, 1, 1, std::span(c.columns).first(1)}, {}, rates, InstructionSet::kPortable).transform_bytes,
        0u);
}

TEST(ShiftedProduct, ChoosesBySizesAlone) {
    // Four thousand columns for each row and input, at all coefficients: far more than a transform costs, whatever the
    // machine.
    Case dense = random_case(2048, 8, 8, 8 * 4000, 1);
    const auto method = [](const Case& c, const ProductUse& use, InstructionSet set) {
        return ShiftedProduct(c.n, c.inputs, c.columns, c.weights, c.rows, c.multiplier, use, set).method();
    };
    // One tap, at one tile.
    const Case sparse = random_case(2048, 64, 64, 64, 2);
    const Case long_polynomials = random_case(16384, 1, 1, 1, 3);
    for (InstructionSet set : supported_instruction_sets()) {
        EXPECT_EQ(method(dense, {}, set), ProductMethod::kTransform) << to_string(set);
        EXPECT_EQ(method(dense, {0, 0, ProductMethod::kDirect}, set), ProductMethod::kDirect) << to_string(set);
        EXPECT_EQ(method(sparse, {1, 0, {}}, set), ProductMethod::kDirect) << to_string(set);
        EXPECT_EQ(method(sparse, {1, 0, ProductMethod::kTransform}, set), ProductMethod::kTransform) << to_string(set);
        EXPECT_EQ(method(long_polynomials, {}, set), ProductMethod::kDirect) << to_string(set);
        EXPECT_THROW(method(long_polynomials, {0, 0, ProductMethod::kTransform}, set), Error) << to_string(set);
        const ShiftedProduct held(sparse.n, 64, sparse.columns, sparse.weights, 64, 1,
                                  {0, 0, ProductMethod::kTransform}, set);
        EXPECT_EQ(held.memory_bytes(), 64u * 64u * 2048u * 8u);
        dense.weights.assign(dense.weights.size(), 0);
        EXPECT_EQ(method(dense, {}, set), ProductMethod::kTransform) << to_string(set);
    }
}

TEST(ShiftedProduct, RefusesInconsistentSizes) {
    Case c = random_case(128, 4, 2, 3, 5);
    c.columns = {{0, 1}, {3, -128}, {2, 127}};
    const CoefficientTiles tiles = CoefficientTiles::whole(128);
    std::vector<std::uint32_t> out(2 * 128);
    const auto make = [&](std::size_t rows) { return ShiftedProduct(128, 4, c.columns, c.weights, rows, 1); };
    EXPECT_NO_THROW(make(2).apply(c.in, tiles, 0, out));
    EXPECT_THROW(make(3), Error);
    EXPECT_THROW(make(2).apply(c.in, tiles, 4, out), Error);
    EXPECT_THROW(make(2).apply(std::span(c.in).first(128), tiles, 0, out), Error);
    EXPECT_THROW(make(2).apply(c.in, CoefficientTiles::whole(64), 0, out), Error);
    c.columns[1].shift = 128;
    EXPECT_THROW(make(2), Error);
    c.columns[1] = {4, 0};
    EXPECT_THROW(make(2), Error);
}

TEST(CoefficientTiles, StandOneAfterTheOther) {
    const CoefficientTiles tiles(std::vector<CoefficientRange>{{5, 22}, {22, 23}, {60, 64}});
    EXPECT_EQ(std::vector<std::uint32_t>(tiles.starts().begin(), tiles.starts().end()),
              (std::vector<std::uint32_t>{5, 21, 22, 60}));
    EXPECT_EQ(tiles.words(), 64u);
    EXPECT_EQ(tiles.compact(5), 0u);
    EXPECT_EQ(tiles.compact(21), 16u);
    EXPECT_EQ(tiles.compact(22), 32u);
    EXPECT_EQ(tiles.compact(63), 51u);
    EXPECT_THROW(tiles.compact(4), Error);
    EXPECT_THROW(tiles.compact(23), Error);
    EXPECT_THROW(tiles.compact(64), Error);
    EXPECT_THROW(CoefficientTiles(std::vector<CoefficientRange>{{5, 22}, {21, 23}}), Error);
    EXPECT_THROW(CoefficientTiles(std::vector<CoefficientRange>{{5, 5}}), Error);
}

TEST(AddScaledShift, AgreesWithDefinition) {
    const std::size_t n = 64;
    const std::vector<std::uint32_t> in = reference::random_words(n, 1), start = reference::random_words(n, 2);
    const CoefficientTiles tiles = CoefficientTiles::whole(n);
    for (std::int32_t shift = -64; shift < 64; ++shift) {
        std::vector<std::uint32_t> expected = start, out = start;
        for (std::size_t j = 0; j < n; ++j) {
            const std::size_t to = (j + static_cast<std::size_t>(shift + 128)) % (2 * n);
            const std::uint32_t term = 0x9e3779b9u * in[j];
            expected[to % n] += to < n ? term : 0 - term;
        }
        for (InstructionSet set : supported_instruction_sets()) {
            out = start;
            add_scaled_shift(in, shift, 0x9e3779b9u, tiles, out, set);
            ASSERT_EQ(out, expected) << shift << " " << to_string(set);
        }
    }
    std::vector<std::uint32_t> out(n);
    EXPECT_THROW(add_scaled_shift(in, 64, 1, tiles, out), Error);
}

// ------------------------------------------------------------------------------------------------- AMX without AMX

/// Tiles as the processor's manual describes them, in plain arithmetic.
struct EmulatedTiles {
    struct State {
        std::uint8_t tile[8][16][64];
        bool configured = false;
    };
    static State& state() {
        static State the_state;
        return the_state;
    }
    static void configure() { state().configured = true; }
    static void release() { state().configured = false; }
    template <int I>
    static void zero() {
        std::memset(state().tile[I], 0, sizeof state().tile[I]);
    }
    template <int I>
    static void load(const void* from, std::size_t row_stride) {
        for (std::size_t r = 0; r < 16; ++r)
            std::memcpy(state().tile[I][r], static_cast<const std::uint8_t*>(from) + r * row_stride, 64);
    }
    template <int I>
    static void store(void* to, std::size_t row_stride) {
        for (std::size_t r = 0; r < 16; ++r)
            std::memcpy(static_cast<std::uint8_t*>(to) + r * row_stride, state().tile[I][r], 64);
    }
    template <int C, int A, int B>
    static void multiply() {
        ASSERT_TRUE(state().configured);
        for (std::size_t m = 0; m < 16; ++m)
            for (std::size_t n = 0; n < 16; ++n) {
                std::uint32_t sum;
                std::memcpy(&sum, state().tile[C][m] + 4 * n, 4);
                for (std::size_t k = 0; k < 16; ++k)
                    for (std::size_t i = 0; i < 4; ++i)
                        sum += static_cast<std::uint32_t>(int{static_cast<std::int8_t>(state().tile[A][m][4 * k + i])} *
                                                          int{state().tile[B][k][4 * n + i]});
                std::memcpy(state().tile[C][m] + 4 * n, &sum, 4);
            }
    }
};

TEST(ShiftedBytesAmx, KernelOnEmulatedTilesAgreesWithDefinition) {
    // Two steps of 64 inputs at different shifts; lanes and weights laid out as the kernel's header says.
    constexpr std::size_t kLanes = 200, kSteps = 2;
    for (int bytes = 1; bytes <= 4; ++bytes)
        for (std::size_t rows : {3u, 16u, 21u, 32u})
            for (std::size_t tiles : {1u, 2u, 5u}) {
                const std::size_t group_stride = static_cast<std::size_t>(bytes) * kLanes;
                const auto lanes = reference::random_words(kernels::kAmxGroups * group_stride, 11);
                const auto weight_words = reference::random_words(2 * kSteps * 16 * 16, 12);
                const auto* weights = reinterpret_cast<const std::int8_t*>(weight_words.data());
                const std::vector<std::int32_t> offsets = {40, 17};
                const std::vector<std::uint32_t> starts = {0, 16, 33, 64, 101};
                const auto start = reference::random_words(rows * 16 * tiles, 13);
                std::vector<std::uint32_t> out = start, expected = start;
                const std::uint32_t multiplier = 0x12345677;
                for (std::size_t r = 0; r < rows; ++r)
                    for (std::size_t t = 0; t < tiles; ++t)
                        for (std::size_t i = 0; i < 16; ++i) {
                            std::uint32_t sum = 0;
                            for (std::size_t s = 0; s < kSteps; ++s)
                                for (std::size_t column = 0; column < 64; ++column)
                                    for (int b = 0; b < bytes; ++b) {
                                        const std::uint32_t lane =
                                            lanes[column / 4 * group_stride + static_cast<std::size_t>(b) * kLanes +
                                                  static_cast<std::size_t>(offsets[s]) + starts[t] + i];
                                        const int byte = static_cast<int>(lane >> (8 * (column % 4)) & 255);
                                        const std::int8_t weight =
                                            weights[((r / 16 * kSteps + s) * 16 + r % 16) * 64 + column];
                                        sum += static_cast<std::uint32_t>(byte * weight) << (8 * (4 - bytes + b));
                                    }
                            expected[(r * tiles + t) * 16 + i] += multiplier * sum;
                        }
                std::vector<std::uint32_t*> to;
                for (std::size_t r = 0; r < rows; ++r) to.push_back(out.data() + r * 16 * tiles);
                const std::size_t first = std::min<std::size_t>(rows, 16);
                const kernels::AmxBlock blocks[2] = {{weights, first, to.data()},
                                                     {weights + kSteps * 16 * 64, rows - first, to.data() + first}};
                kernels::shifted_bytes_on_tiles<EmulatedTiles>({lanes.data(), kLanes, group_stride, bytes}, offsets,
                                                               blocks, multiplier, std::span(starts).first(tiles));
                ASSERT_EQ(out, expected) << bytes << " bytes, " << rows << " rows, " << tiles << " tiles";
            }
}

}  // namespace
}  // namespace flash::lattice
