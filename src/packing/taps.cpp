#include "packing/taps.h"

#include "packing/grid.h"

namespace flash::packing {

std::vector<Tap> taps_of(const Stream& stream, const model::Window& window) {
    std::vector<Tap> taps;
    for (std::size_t p = 0; p < stream.phases.size(); ++p) {
        const Phase phase = stream.phases[p];
        for (int dy = 0; dy < window.kernel_h; ++dy) {
            const int row = dy * window.dilation_h - window.pad_top - phase.row;
            if (row != floor_div(row, window.stride_h) * window.stride_h) continue;
            for (int dx = 0; dx < window.kernel_w; ++dx) {
                const int column = dx * window.dilation_w - window.pad_left - phase.column;
                if (column != floor_div(column, window.stride_w) * window.stride_w) continue;
                taps.push_back({static_cast<int>(p), dy, dx, floor_div(row, window.stride_h), floor_div(column, window.stride_w)});
            }
        }
    }
    return taps;
}

std::int32_t shift_of(const Grid& grid, int packed, int slot, const Tap& tap) {
    const int shift = (slot * grid.channels_per_input - packed) * grid.spacing - (tap.row * grid.row_stride + tap.column);
    // X^(2n) = 1: the representative in [-n, n).
    return shift - floor_div(shift + grid.degree, 2 * grid.degree) * 2 * grid.degree;
}

}  // namespace flash::packing
