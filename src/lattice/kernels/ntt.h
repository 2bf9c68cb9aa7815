// The transform kernels behind NttTables. Arrays of n entries; tables as NttTables builds them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lattice/modulus.h"

namespace flash::lattice::kernels {

struct IntegerNtt {
    std::size_t n;
    std::uint64_t p;
    const std::uint64_t* roots;
    const std::uint64_t* quotients;  ///< Shoup quotients of the roots
    ShoupFactor inverse_n;           ///< inverse transform only
};

void ntt_forward_portable(std::uint64_t* x, const IntegerNtt& tables);
void ntt_inverse_portable(std::uint64_t* x, const IntegerNtt& tables);

/// For p < 2^50: residues as doubles, products with one fused multiply-add for the exact low part.
struct FloatNtt {
    std::size_t n;
    double p;
    const double* roots;   ///< centred
    const double* ratios;  ///< root / p
    double inverse_n;      ///< 1/n mod p, centred; inverse transform only
};
inline constexpr std::uint64_t kFloatNttLimit = std::uint64_t{1} << 50;

void ntt_forward_avx2(std::uint64_t* x, const FloatNtt& tables);
void ntt_inverse_avx2(std::uint64_t* x, const FloatNtt& tables);

}  // namespace flash::lattice::kernels
