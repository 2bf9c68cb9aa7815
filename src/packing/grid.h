// Geometry of one group of layers: row stride, halo, blocks. Internal to packing.
#pragma once

#include <string>
#include <vector>

#include "packing/plan.h"

namespace flash::packing {

/// What one term of one layer asks of the grid, in rows and columns of submaps.
struct Demand {
    int submap_rows = 0, submap_columns = 0;  ///< extent of the (largest) submap
    int out_rows = 0, out_columns = 0;
    int offset_row_min = 0, offset_row_max = 0;  ///< input row = output row + offset
    int offset_column_min = 0, offset_column_max = 0;
};

/// Demand of a window on a map of this shape.
Demand demand_of(const model::Shape& input, const model::Window& window, const model::Shape& output);

/// Smallest grid in polynomials of n = `degree` coefficients that satisfies all demands, with blocks (one input
/// channel, all outputs) not yet divided between g1 and g2. `where` names the layer for the error message.
struct GridBlocks {
    Grid grid;
    int blocks = 1;
    int rows_per_band = 0;
};
GridBlocks fit_grid(const std::vector<Demand>& demands, int degree, const std::string& where);

/// floor(a / b) for b > 0.
constexpr int floor_div(int a, int b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }
/// The same rounded up, for a >= 0.
constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }

}  // namespace flash::packing
