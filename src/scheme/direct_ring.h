// Products in the rings of the linear layers: one set of tables for each ring and the program.
#pragma once

#include <cstddef>

#include "lattice/product.h"
#include "scheme/parameters.h"

namespace flash::scheme {

/// The tables for polynomials with this many coefficients; Error(kInternal) if no ring has so many.
inline const lattice::ExactProduct& direct_product(std::size_t degree) {
    static const std::array<lattice::ExactProduct, kDirectRings.size()> products{
        lattice::ExactProduct(kDirectRings[0].degree), lattice::ExactProduct(kDirectRings[1].degree)};
    return products[direct_ring_index(degree)];
}

}  // namespace flash::scheme
