// How a window moves packed channels to results: the shifts of the linear map, which follow from the public plan alone.
#pragma once

#include <cstdint>
#include <vector>

#include "packing/plan.h"

namespace flash::packing {

/// One tap of a window on one submap of its stream.
struct Tap {
    int submap = 0;           ///< index in Stream::submaps
    int dy = 0, dx = 0;       ///< position in the kernel
    int row = 0, column = 0;  ///< output (i, j) reads (i + row, j + column) of the submap
};

/// Taps of a window with which some output reads a pixel of a submap of the stream; grouped by submap. The others read
/// nothing but padding: they would bring work and noise, and only they could bring the same coefficient of an upload to
/// a result twice (tests/packing/taps_test.cpp).
std::vector<Tap> taps_of(const Stream& stream, const model::Window& window);

/// Power of X, in [-n, n), that brings channel `packed` of an uploaded polynomial (of g1), moved by one tap, to result
/// block `slot` (of g2).
std::int32_t shift_of(const Grid& grid, int packed, int slot, const Tap& tap);

}  // namespace flash::packing
