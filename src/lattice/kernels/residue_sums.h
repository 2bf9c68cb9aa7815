// The kernels behind lattice/base_conversion.h. Arrays of `count` entries, a multiple of 32.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lattice/kernels/pointwise.h"

namespace flash::lattice::kernels {

/// A factor w mod p with floor(2^52 w / p).
struct WideFactor {
    std::uint64_t value, quotient;
};

/// (2^52 high + low) / 2^104, high and low below 2^52.
struct WideFraction {
    std::uint64_t high, low;
};

inline constexpr std::size_t kMaxTerms = 15;

struct ResidueSums {
    /// out = round(sum_i x_i w_i / 2^shift) for x_i < 2^50, up to 2^-51 for each term: 52 bits behind the point are
    /// added up, and shift bits before it. No result may reach 2^52.
    void (*rounded_sum)(const std::uint64_t* const* x, const WideFraction* weights, std::size_t terms, int shift,
                        std::uint64_t* out, std::size_t count);
    /// out = sum_i x_i g_i mod p in [0, p), for x_i < 2^52; the last term is small times small_factor for small
    /// integers, unless small is null.
    void (*linear_sum)(const WideModulus&, const std::uint64_t* const* x, const WideFactor* factors, std::size_t terms,
                       const std::int8_t* small, WideFactor small_factor, std::uint64_t* out, std::size_t count);
    /// The same for words of 32 bits, without a last term.
    void (*linear_sum_words)(const WideModulus&, const std::uint32_t* const* x, const WideFactor* factors,
                             std::size_t terms, std::uint64_t* out, std::size_t count);
};

extern const ResidueSums kResidueSumsPortable, kResidueSumsSimd128, kResidueSumsNeon, kResidueSumsAvx2,
    kResidueSumsAvx512;

}  // namespace flash::lattice::kernels
