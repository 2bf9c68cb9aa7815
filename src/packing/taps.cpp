#include "packing/taps.h"

#include "packing/grid.h"

namespace flash::packing {
namespace {

/// Whether one of `outputs` positions, moved by `offset`, lies in a map of this extent.
constexpr bool reads(int offset, int outputs, int extent) { return offset < extent && offset + outputs > 0; }

}  // namespace

std::vector<Tap> taps_of(const Stream& stream, const model::Window& window) {
    const int out_rows = window.out_height(stream.shape.height), out_columns = window.out_width(stream.shape.width);
    std::vector<Tap> taps;
    for (std::size_t p = 0; p < stream.submaps.size(); ++p) {
        const Submap submap = stream.submaps[p];
        const int rows = ceil_div(stream.shape.height - submap.row, window.stride_h);
        const int columns = ceil_div(stream.shape.width - submap.column, window.stride_w);
        for (int dy = 0; dy < window.kernel_h; ++dy) {
            const int row = dy * window.dilation_h - window.pad_top - submap.row;
            const int row_offset = floor_div(row, window.stride_h);
            if (row != row_offset * window.stride_h || !reads(row_offset, out_rows, rows)) continue;
            for (int dx = 0; dx < window.kernel_w; ++dx) {
                const int column = dx * window.dilation_w - window.pad_left - submap.column;
                const int column_offset = floor_div(column, window.stride_w);
                if (column != column_offset * window.stride_w || !reads(column_offset, out_columns, columns)) continue;
                taps.push_back({static_cast<int>(p), dy, dx, row_offset, column_offset});
            }
        }
    }
    return taps;
}

std::int32_t shift_of(const Grid& grid, int packed, int slot, const Tap& tap) {
    const int shift =
        (slot * grid.channels_per_input - packed) * grid.spacing - (tap.row * grid.row_stride + tap.column);
    // X^(2n) = 1: the representative in [-n, n).
    return shift - floor_div(shift + grid.degree, 2 * grid.degree) * 2 * grid.degree;
}

}  // namespace flash::packing
