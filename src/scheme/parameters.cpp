#include "scheme/parameters.h"

#include "base/error.h"

namespace flash::scheme {

std::size_t direct_ring_index(std::size_t degree) {
    for (std::size_t i = 0; i < kDirectRings.size(); ++i)
        if (kDirectRings[i].degree == degree) return i;
    throw Error(ErrorKind::kInternal, "no ring of the linear layers has polynomials of this size");
}

}  // namespace flash::scheme
