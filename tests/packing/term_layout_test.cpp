// The extents of products, which costs are told from, against their columns, which products are made of.
#include "packing/term_layout.h"

#include <gtest/gtest.h>

#include <array>

#include "support/random_model.h"

namespace flash::packing {
namespace {

TEST(TermLayout, ExtentsAreThoseOfTheColumns) {
    const model::Window same{3, 3, 1, 1, 1, 1, 1, 1}, down{3, 3, 2, 2, 1, 1, 1, 1}, wide{3, 2, 1, 1, 2, 0, 2, 3, 2, 3};
    std::size_t several = 0;
    for (const auto& [channels, outputs, groups] :
         std::vector<std::array<int, 3>>{{24, 40, 1}, {24, 36, 6}, {64, 8, 4}, {30, 45, 15}, {40, 60, 2}, {12, 24, 12}})
        for (const model::Window& window : {same, down, wide})
            for (const int side : {1, 5, 12, 50}) {
                const model::Model model =
                    flash::testing::single_convolution({channels, side, side + 1}, outputs, window, 1, 10, groups);
                const Plan plan = make_plan(model.architecture);
                const LinearPlan& linear = plan.layers[0];
                const Stream& stream = plan.streams[linear.term_streams[0]];
                const TermLayout layout(model.architecture.layers[0], model.architecture.layers[0].terms[0], linear,
                                        stream);
                EXPECT_EQ(layout.depthwise(), groups == channels);
                if (layout.depthwise()) continue;
                // Each output's weights stand in one row of one column of one matrix.
                std::size_t weights = 0;
                model::TermWeights ones;
                ones.weights.assign(model.weights.layers[0].terms[0].weights.size(), 1);
                for (const MatrixExtent& matrix : layout.matrices()) {
                    const MatrixColumns columns = layout.columns(matrix);
                    ASSERT_EQ(columns.shifts.size(), matrix.columns);
                    ASSERT_EQ(columns.places.size(), matrix.columns);
                    for (const lattice::ShiftedInput& shift : columns.shifts) ASSERT_LT(shift.input, matrix.inputs);
                    EXPECT_LE(matrix.first_row + matrix.rows, static_cast<std::size_t>(linear.polynomials_per_band));
                    EXPECT_LE(matrix.first_input + matrix.inputs,
                              static_cast<std::size_t>(stream.polynomials_per_band));
                    std::vector<std::int8_t> row(matrix.columns);
                    for (std::size_t r = 0; r < matrix.rows; ++r) {
                        layout.fill_row(matrix, columns, ones, r, row);
                        for (std::int8_t weight : row) weights += weight;
                    }
                    several += matrix.columns > 0 && layout.matrices().size() > 1;
                }
                EXPECT_EQ(weights, static_cast<std::size_t>(outputs) * (channels / groups) * layout.taps().size());
            }
    EXPECT_GT(several, 50u);
}

}  // namespace
}  // namespace flash::packing
