#include "lattice/coefficient_tiles.h"

#include <algorithm>

#include "base/error.h"

namespace flash::lattice {

CoefficientTiles::CoefficientTiles(std::span<const CoefficientRange> ranges) : ranges_(ranges.begin(), ranges.end()) {
    std::uint32_t last = 0;
    for (const CoefficientRange& range : ranges_) {
        require(range.begin >= last && range.end > range.begin && range.end < (std::uint32_t{1} << 31),
                ErrorKind::kInternal, "coefficient ranges must be ascending, disjoint and not empty");
        last = range.end;
        first_words_.push_back(words());
        for (std::uint32_t at = range.begin; at < range.end; at += kTile) starts_.push_back(at);
    }
}

CoefficientTiles CoefficientTiles::whole(std::size_t n) {
    require(n > 0 && n % kTile == 0, ErrorKind::kInternal, "a whole polynomial is a multiple of a tile");
    const CoefficientRange all{0, static_cast<std::uint32_t>(n)};
    return CoefficientTiles(std::span(&all, 1));
}

std::size_t CoefficientTiles::compact(std::uint32_t coefficient) const {
    const auto after =
        std::upper_bound(ranges_.begin(), ranges_.end(), coefficient,
                         [](std::uint32_t at, const CoefficientRange& range) { return at < range.begin; });
    require(after != ranges_.begin() && coefficient < (after - 1)->end, ErrorKind::kInternal,
            "this coefficient is not among those that are computed");
    const auto range = static_cast<std::size_t>(after - ranges_.begin()) - 1;
    return first_words_[range] + (coefficient - ranges_[range].begin);
}

}  // namespace flash::lattice
