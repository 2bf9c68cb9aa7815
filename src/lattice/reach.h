// The pieces of a polynomial, continued past both its ends, that shifted products read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lattice/coefficient_tiles.h"

namespace flash::lattice {

using Starts = std::span<const std::uint32_t>;

inline constexpr std::size_t kTile = CoefficientTiles::kTile;

inline std::size_t blocks_of(std::size_t count, std::size_t size) { return (count + size - 1) / size; }

/// The coefficients of the inputs that an evaluation reads, numbered as if a polynomial went on past both its ends.
struct Reach {
    std::int64_t first = 0, end = 0;
    std::size_t size() const { return static_cast<std::size_t>(end - first); }
};

inline Reach reach_of(Starts starts, std::int32_t least_shift, std::int32_t most_shift) {
    const auto [least, most] = std::ranges::minmax(starts);
    return {static_cast<std::int64_t>(least) - most_shift,
            static_cast<std::int64_t>(most) + static_cast<std::int64_t>(kTile) - least_shift};
}

/// Calls piece(offset in the reach, coefficient, count, negate) for the pieces of a reach: X^n = -1 turns every other
/// copy's sign.
template <class Piece>
void for_pieces(const Reach& reach, std::size_t n, const Piece& piece) {
    for (std::int64_t at = reach.first; at < reach.end;) {
        const std::int64_t size = static_cast<std::int64_t>(n);
        const std::int64_t copy = at >= 0 ? at / size : -((-at + size - 1) / size);
        const std::int64_t end = std::min(reach.end, (copy + 1) * size);
        piece(static_cast<std::size_t>(at - reach.first), static_cast<std::size_t>(at - copy * size),
              static_cast<std::size_t>(end - at), copy % 2 != 0);
        at = end;
    }
}

}  // namespace flash::lattice
