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
    ShoupFactor scale;               ///< 1/n times a constant; inverse transform only
};

void ntt_forward_portable(std::uint64_t* x, const IntegerNtt& tables);
void ntt_inverse_portable(std::uint64_t* x, const IntegerNtt& tables);

/// For p < 2^50: residues as doubles, products with one fused multiply-add for the exact low part.
struct FloatNtt {
    std::size_t n;
    double p;
    const double* roots;   ///< centred
    const double* ratios;  ///< root / p
    double scale;          ///< 1/n times a constant mod p, centred; inverse transform only
};
inline constexpr std::uint64_t kFloatNttLimit = std::uint64_t{1} << 50;

void ntt_forward_avx2(std::uint64_t* x, const FloatNtt& tables);
void ntt_inverse_avx2(std::uint64_t* x, const FloatNtt& tables);
void ntt_forward_neon(std::uint64_t* x, const FloatNtt& tables);
void ntt_inverse_neon(std::uint64_t* x, const FloatNtt& tables);

/// For p < 2^50: residues as integers, of whose products by roots the quotients are estimated in doubles.
struct EstimatedNtt {
    std::size_t n;
    std::uint64_t p;
    const std::uint64_t* roots;
    const double* ratios;  ///< centred root / p
    std::uint64_t scale;   ///< 1/n times a constant; inverse transform only, as the next
    double scale_ratio;    ///< the same, centred, / p
};

/// lazy: results in [0, 4p), or for p <= 2^47 in [0, 2^52).
void ntt_forward_simd128(std::uint64_t* x, const EstimatedNtt& tables, bool lazy);
void ntt_inverse_simd128(std::uint64_t* x, const EstimatedNtt& tables);

/// For p < 2^50 and 52-bit multiplications: roots with quotients floor(2^52 w / p).
struct WideNtt {
    std::size_t n;
    std::uint64_t p;
    const std::uint64_t* roots;
    const std::uint64_t* quotients;
    /// The roots of the three innermost levels, a record of 32 words for each 16 coefficients: the two blocks of eight,
    /// each its root and quotient, twice; the four blocks of four in the order 0 2 1 3, each its root and quotient; the
    /// roots of the eight pairs in the order 0 1 4 5 2 3 6 7, then their quotients. It is the order that the kernel's
    /// shuffles leave.
    const std::uint64_t* inner;
    std::uint64_t reciprocal;  ///< floor(2^52 / p)
    ShoupFactor scale;         ///< 1/n times a constant; inverse transform only, as the next
    ShoupFactor scaled_last;   ///< the last level's root times that
};
inline constexpr int kWideBits = 52;
inline constexpr std::uint64_t kWideNttLimit = std::uint64_t{1} << 50;

/// lazy: results in [0, 4p), or for p <= 2^48 in [0, 2^52).
void ntt_forward_avx512(std::uint64_t* x, const WideNtt& tables, bool lazy);
void ntt_inverse_avx512(std::uint64_t* x, const WideNtt& tables);

}  // namespace flash::lattice::kernels
