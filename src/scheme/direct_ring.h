// The ring of the linear layers, R_q with q = 2^32 and n = 2048: one set of tables for the program.
#pragma once

#include <cstddef>

#include "base/error.h"
#include "lattice/product.h"
#include "scheme/parameters.h"

namespace flash::scheme {

inline const lattice::ExactProduct& direct_ring() {
    static const lattice::ExactProduct product(kDirectDegree);
    return product;
}

inline void check_direct_degree(std::size_t size) {
    require(size == kDirectDegree, ErrorKind::kInternal, "a polynomial of the linear layers must have 2048 coefficients");
}

}  // namespace flash::scheme
