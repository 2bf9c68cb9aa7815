// The inner loops of the product through transforms (lattice/transform_product.h), for one prime p < 2^50. Factors, the
// values of transformed polynomials, are kept in blocks of `lanes` values in a form of the sibling's own: integers
// below 4p, or centred doubles.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lattice/kernels/pointwise.h"
#include "lattice/modulus.h"

namespace flash::lattice::kernels {

inline constexpr std::size_t kTransformRows = 4;  ///< rows of a block: their sums stay in registers
/// Inputs added up before a reduction. Sums of low halves of products stay below 2^62, those of high halves below 2^60.
inline constexpr std::size_t kTransformInputs = 1024;

/// A power of two mod p, centred, and divided by p.
struct FloatFactor {
    double value, ratio;
};

struct TransformPrime {
    Modulus modulus;
    WideModulus wide;
    FloatFactor two_32, two_48, two_80;
    double offset;  ///< 2^61 (2^48 + 1) mod p, centred
};

struct TransformKernels {
    std::size_t lanes;
    /// Residues in [0, p) of the integers ((word as signed) >> shift, as a signed shift) & mask.
    void (*lift)(const TransformPrime&, const std::uint32_t* words, int shift, std::uint32_t mask, std::uint64_t* out,
                 std::size_t count);
    /// Values below 4p to factors: block b of `lanes` goes to out + b * stride.
    void (*arrange)(const TransformPrime&, const std::uint64_t* values, std::uint64_t* out, std::size_t stride,
                    std::size_t count);
    /// sums[(part * rows + r) * count + j] = sum_i x_i,part[j] w_i,r[j] mod p, in [0, p), for r < rows <=
    /// kTransformRows, j < count.
    ///   x  [block][part][input][lane],  w  [block][input][row][lane]: each weight is read once from memory, whatever
    ///   the parts
    void (*sums)(const TransformPrime&, const std::uint64_t* x, std::size_t parts, const std::uint64_t* w,
                 std::size_t inputs, std::size_t rows, std::uint64_t* sums, std::size_t count);
    /// The representatives in (-p/2, p/2) of residues, mod 2^32.
    void (*words)(const TransformPrime&, const std::uint64_t* residues, std::uint32_t* out, std::size_t count);
};

extern const TransformKernels kTransformPortable, kTransformAvx2, kTransformAvx512;

}  // namespace flash::lattice::kernels
