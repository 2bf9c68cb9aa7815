// The kernels behind lattice/pointwise.h. Arrays of `count` entries, a multiple of 8; residues in [0, p).
#pragma once

#include <cstddef>
#include <cstdint>

namespace flash::lattice::kernels {

struct WideModulus {
    std::uint64_t p;           ///< below 2^50
    std::uint64_t reciprocal;  ///< floor(2^52 / p)
    std::uint64_t two_52;      ///< 2^52 mod p
    std::uint64_t two_52_quotient;
    std::uint64_t minus_inverse;  ///< -1/p mod 2^52
};

inline constexpr std::size_t kMaxSummands = 4;

struct Pointwise {
    void (*quotients)(const WideModulus&, const std::uint64_t* factor, std::uint64_t* out, std::size_t count);
    void (*multiply)(const WideModulus&, const std::uint64_t* x, const std::uint64_t* factor,
                     const std::uint64_t* quotients, std::uint64_t* out, std::size_t count);
    /// out_x = the sum of x y, out_z = that of z y.
    void (*product_pair)(const WideModulus&, const std::uint64_t* const* x, const std::uint64_t* const* z,
                         const std::uint64_t* const* y, std::size_t summands, std::uint64_t* out_x,
                         std::uint64_t* out_z, std::size_t count);
    void (*lift_small)(const WideModulus&, const std::int8_t* small, std::uint64_t* out, std::size_t count);
    void (*lift_words)(const WideModulus&, const std::uint32_t* words, std::uint64_t* out, std::size_t count);
    void (*add_words)(const WideModulus&, const std::uint64_t* x, std::uint32_t* out, std::size_t count);
    void (*subtract_words)(const WideModulus&, const std::uint64_t* x, std::uint32_t* out, std::size_t count);
    bool (*all_below)(const std::uint64_t* x, std::uint64_t bound, std::size_t count);
};

extern const Pointwise kPointwisePortable, kPointwiseSimd128, kPointwiseNeon, kPointwiseAvx2, kPointwiseAvx512;

}  // namespace flash::lattice::kernels
