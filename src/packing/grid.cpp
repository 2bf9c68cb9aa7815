#include "packing/grid.h"

#include <algorithm>

#include "base/error.h"

namespace flash::packing {

Demand demand_of(const model::Shape& input, const model::Window& window, const model::Shape& output) {
    // Output (i, j) reads input row i * s + dy * dilation - pad = s * (i + offset) + row of the submap.
    Demand d;
    d.submap_rows = ceil_div(input.height, window.stride_h);
    d.submap_columns = ceil_div(input.width, window.stride_w);
    d.out_rows = output.height;
    d.out_columns = output.width;
    d.offset_row_min = floor_div(-window.pad_top, window.stride_h);
    d.offset_row_max = floor_div(window.reach_h() - 1 - window.pad_top, window.stride_h);
    d.offset_column_min = floor_div(-window.pad_left, window.stride_w);
    d.offset_column_max = floor_div(window.reach_w() - 1 - window.pad_left, window.stride_w);
    return d;
}

GridBlocks fit_grid(const std::vector<Demand>& demands, int degree, const std::string& where) {
    int stride = 1, row_min = 0, row_max = 0, submap_rows = 1, out_rows = 1;
    for (const Demand& d : demands) {
        // Columns left of the map are the tail of the row before, so they must be unused; columns right of it may run
        // into the unused tail but not into the next row.
        stride = std::max({stride, d.submap_columns + std::max(0, -d.offset_column_min),
                           d.out_columns + std::max(0, d.offset_column_max), d.submap_columns, d.out_columns});
        row_min = std::min(row_min, d.offset_row_min);
        row_max = std::max(row_max, d.offset_row_max);
        submap_rows = std::max(submap_rows, d.submap_rows);
        out_rows = std::max(out_rows, d.out_rows);
    }
    // Extent of a whole map: everything that is read must lie in the block or in the zeros between blocks.
    int extent = 1;
    int reach_back = 0, last_pixel = 0;
    for (const Demand& d : demands) {
        const int last_out = (d.out_rows - 1) * stride + d.out_columns - 1;
        extent = std::max({extent, last_out + 1, last_out + 1 + d.offset_row_max * stride + d.offset_column_max});
        reach_back = std::max(reach_back, -(d.offset_row_min * stride + d.offset_column_min));
        last_pixel = std::max(last_pixel, (d.submap_rows - 1) * stride + d.submap_columns - 1);
    }
    extent = std::max(extent, last_pixel + 1 + reach_back);

    GridBlocks result;
    result.grid.degree = degree;
    result.grid.row_stride = stride;
    if (extent <= degree) {
        result.grid.band_rows = out_rows;
        result.grid.spacing = extent;
        result.blocks = degree / extent;
        result.rows_per_band = submap_rows;
        return result;
    }
    // Bands: every row that is read, halo included, is present; only columns may reach into a neighbouring row's zeros.
    const int halo = row_max - row_min;
    const int rows = degree / stride;
    if (rows - halo < 1)
        throw Error(ErrorKind::kUnsupported, where + ": one output row with its halo needs " +
                                                 std::to_string((halo + 1) * stride) + " coefficients, more than the " +
                                                 std::to_string(degree) +
                                                 " of a polynomial; use a smaller input width or kernel");
    result.grid.banded = true;
    result.grid.row_base = -row_min;
    result.grid.band_rows = std::min(rows - halo, out_rows);
    result.grid.spacing = degree;
    result.blocks = 1;
    result.rows_per_band = result.grid.band_rows + halo;
    return result;
}

}  // namespace flash::packing
