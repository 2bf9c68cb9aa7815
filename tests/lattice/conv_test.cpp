#include "lattice/kernels/conv.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/error.h"
#include "reference.h"

namespace flash::lattice {
namespace {

struct Case {
    std::size_t n, inputs, rows;
    std::vector<ShiftedInput> columns;
    std::vector<std::uint32_t> in, out;
    std::vector<std::int8_t> weights;
    std::uint32_t multiplier = 1;
};

Case random_case(std::size_t n, std::size_t inputs, std::size_t rows, std::size_t columns, std::uint64_t seed) {
    std::mt19937_64 generator(seed);
    Case c{n, inputs, rows, {}, reference::random_words(inputs * n, seed), reference::random_words(rows * n, seed + 1), {}};
    for (std::size_t i = 0; i < columns; ++i)
        c.columns.push_back({static_cast<std::uint32_t>(generator() % inputs), static_cast<std::uint32_t>(generator() % n)});
    for (std::size_t i = 0; i < rows * columns; ++i) c.weights.push_back(static_cast<std::int8_t>(generator()));
    c.multiplier = static_cast<std::uint32_t>(generator());
    return c;
}

void check(const Case& c) {
    std::vector<std::uint32_t> expected = c.out;
    for (std::size_t r = 0; r < c.rows; ++r)
        for (std::size_t k = 0; k < c.columns.size(); ++k) {
            const ShiftedInput column = c.columns[k];
            const std::uint32_t weight = static_cast<std::uint32_t>(static_cast<std::int32_t>(c.weights[r * c.columns.size() + k]));
            for (std::size_t j = 0; j < c.n; ++j) {
                const std::size_t to = j + column.shift;
                const std::uint32_t term = c.multiplier * weight * c.in[column.input * c.n + j];
                expected[r * c.n + to % c.n] += to < c.n ? term : 0 - term;
            }
        }
    for (InstructionSet set : supported_instruction_sets()) {
        std::vector<std::uint32_t> out = c.out;
        shifted_product(c.in, c.n, c.columns, c.weights, c.rows, c.multiplier, out, set);
        ASSERT_EQ(out, expected) << to_string(set) << " n " << c.n << " rows " << c.rows << " columns " << c.columns.size();
    }
}

TEST(ShiftedProduct, RandomShapes) {
    std::uint64_t seed = 1;
    for (std::size_t n : {64u, 512u, 2048u})
        for (std::size_t rows : {1u, 2u, 3u, 4u, 5u, 9u})
            for (std::size_t columns : {1u, 7u, 40u}) check(random_case(n, 1 + columns / 3, rows, columns, seed++));
    check(random_case(64, 3, 17, 1100, seed++));  // several passes over the columns
    check(random_case(1024, 2, 0, 3, seed++));
    check(random_case(1024, 2, 3, 0, seed++));
}

TEST(ShiftedProduct, EdgeValues) {
    Case c = random_case(256, 4, 6, 9, 99);
    c.columns[0].shift = 0;
    c.columns[1].shift = 255;
    for (std::uint32_t word : {0u, 0xffffffffu, 0x80000000u, 0x7fff8000u})
        for (int weight : {-128, -127, -1, 0, 1, 127}) {
            c.in.assign(c.in.size(), word);
            c.weights.assign(c.weights.size(), static_cast<std::int8_t>(weight));
            for (std::uint32_t multiplier : {0u, 1u, 0xffffffffu}) {
                c.multiplier = multiplier;
                check(c);
            }
        }
}

TEST(ShiftedProduct, SparseWeights) {
    Case c = random_case(128, 4, 11, 30, 5);
    for (std::size_t i = 0; i < c.weights.size(); ++i)
        if (i % 17) c.weights[i] = 0;
    check(c);
}

TEST(ShiftedProduct, RefusesInconsistentSizes) {
    Case c = random_case(128, 4, 2, 3, 5);
    std::vector<std::uint32_t> out(2 * 128);
    c.columns[1].shift = 128;
    EXPECT_THROW(shifted_product(c.in, 128, c.columns, c.weights, 2, 1, out), Error);
    c.columns[1] = {4, 0};
    EXPECT_THROW(shifted_product(c.in, 128, c.columns, c.weights, 2, 1, out), Error);
    c.columns[1] = {3, 0};
    EXPECT_THROW(shifted_product(c.in, 128, c.columns, c.weights, 3, 1, out), Error);
    EXPECT_NO_THROW(shifted_product(c.in, 128, c.columns, c.weights, 2, 1, out));
}

TEST(AddScaledShift, AgreesWithDefinition) {
    const std::size_t n = 64;
    const std::vector<std::uint32_t> in = reference::random_words(n, 1), start = reference::random_words(n, 2);
    for (std::uint32_t shift = 0; shift < 2 * n; ++shift) {
        std::vector<std::uint32_t> expected = start, out = start;
        for (std::size_t j = 0; j < n; ++j) {
            const std::size_t to = (j + shift) % (2 * n);
            const std::uint32_t term = 0x9e3779b9u * in[j];
            expected[to % n] += to < n ? term : 0 - term;
        }
        add_scaled_shift(in, shift, 0x9e3779b9u, out);
        ASSERT_EQ(out, expected) << shift;
    }
    std::vector<std::uint32_t> out(n);
    EXPECT_THROW(add_scaled_shift(in, 2 * n, 1, out), Error);
}

}  // namespace
}  // namespace flash::lattice
