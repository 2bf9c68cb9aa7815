// Which coefficients of a result polynomial are computed. A result ciphertext is read at a few ranges of coefficients
// only (the rest of b'' is never sent), so products are evaluated there: in tiles of 16 consecutive coefficients,
// stored one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace flash::lattice {

/// Coefficients [begin, end).
struct CoefficientRange {
    std::uint32_t begin = 0, end = 0;
    std::uint32_t size() const { return end - begin; }
    bool operator==(const CoefficientRange&) const = default;
};

class CoefficientTiles {
public:
    static constexpr std::size_t kTile = 16;  ///< coefficients of a tile: one vector of 512 bits

    /// ranges: ascending, disjoint, not empty, below 2^31; Error(kInternal) otherwise. Tiles start at the begin of a
    /// range; the last tile of a range may run past its end (and past n), into coefficients that nobody asked for.
    explicit CoefficientTiles(std::span<const CoefficientRange> ranges);
    CoefficientTiles() = default;
    /// All coefficients of a polynomial, n a multiple of kTile: then the compact form is the polynomial itself.
    static CoefficientTiles whole(std::size_t n);

    /// First coefficient of each tile, ascending.
    std::span<const std::uint32_t> starts() const { return starts_; }
    std::size_t count() const { return starts_.size(); }
    /// Words of one polynomial in compact form: kTile per tile.
    std::size_t words() const { return kTile * starts_.size(); }
    /// Where a coefficient stands in compact form; Error(kInternal) if it is in no range.
    std::size_t compact(std::uint32_t coefficient) const;

private:
    std::vector<CoefficientRange> ranges_;
    std::vector<std::size_t> first_words_;  // of each range, in compact form
    std::vector<std::uint32_t> starts_;
};

}  // namespace flash::lattice
