// The passes over coefficients and slots of the composite scheme, behind CompositeRing. Arrays of `count` entries, a
// multiple of 8; residues are in [0, p) and "lazy" ones below 2^52.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lattice/kernels/pointwise.h"
#include "lattice/kernels/residue_sums.h"

namespace flash::scheme::kernels {

using lattice::kernels::WideFactor;
using lattice::kernels::WideModulus;

struct CompositeKernels {
    /// out = error + message - a s, for a lazy error, s with its quotients; message may be null. out may be the error.
    void (*hide)(const WideModulus&, const std::uint64_t* error, const std::uint64_t* a, const std::uint64_t* s,
                 const std::uint64_t* s_quotients, const std::uint64_t* message, std::uint64_t* out, std::size_t count);
    /// x = (x + small) factor.
    void (*add_small_and_scale)(const WideModulus&, const std::int8_t* small, WideFactor factor, std::uint64_t* x,
                                std::size_t count);
    /// out = x factor + rest, for a lazy rest; out may be one of them.
    void (*combine)(const WideModulus&, const std::uint64_t* x, WideFactor factor, const std::uint64_t* rest,
                    std::uint64_t* out, std::size_t count);
    /// The same with a factor for each place.
    void (*combine_products)(const WideModulus&, const std::uint64_t* x, const std::uint64_t* factors,
                             const std::uint64_t* quotients, const std::uint64_t* rest, std::uint64_t* out,
                             std::size_t count);
    /// out = x mod T for a lazy x.
    void (*narrow)(const WideModulus& plain, const std::uint64_t* x, std::uint32_t* out, std::size_t count);
    /// Whether all words are below the bound.
    bool (*words_below)(const std::uint32_t* words, std::uint32_t bound, std::size_t count);
};

extern const CompositeKernels kCompositeKernelsPortable, kCompositeKernelsSimd128, kCompositeKernelsNeon,
    kCompositeKernelsAvx2, kCompositeKernelsAvx512;

}  // namespace flash::scheme::kernels
