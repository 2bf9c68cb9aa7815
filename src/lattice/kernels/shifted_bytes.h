// The shifted product by byte-wise multiply-accumulate. Inputs are interleaved by fours and split into bytes:
//   lane [group][byte][j]  =  byte `byte` of x_ext[first + j] of inputs 4 group .. 4 group + 3, as one 32-bit lane of
//   four bytes,
// where x_ext continues a polynomial past both ends (X^n = -1). A *step* of the inner dimension is one group at one
// shift: four columns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace flash::lattice::kernels {

inline constexpr std::size_t kGroup = 4;       ///< inputs interleaved in one lane
inline constexpr std::size_t kVnniRows = 4;    ///< rows of a block of the VNNI kernel
inline constexpr std::size_t kAmxRows = 16;    ///< rows of a tile of the AMX kernel
inline constexpr std::size_t kAmxGroups = 16;  ///< groups of a tile of the AMX kernel: 64 columns

/// The interleaved inputs.
struct ByteLanes {
    const std::uint32_t* lanes;  ///< of group 0, the lowest byte that is there
    std::size_t byte_stride;     ///< lanes from one byte to the next
    std::size_t group_stride;    ///< lanes from one group to the next: bytes * byte_stride
    int bytes;                   ///< how many of the four bytes are there: the upper ones, 1 to 4
};

/// Splits coefficients [0, count) of four words arrays (a null pointer stands for zeros), negated if asked:
/// out[b * byte_stride + j] = the bytes 4 - bytes + b of x[0..3][j].
using Interleave = void (*)(const std::uint32_t* const x[kGroup], std::size_t count, bool negate, int bytes,
                            std::uint32_t* out, std::size_t byte_stride);
void interleave_avx512(const std::uint32_t* const x[kGroup], std::size_t count, bool negate, int bytes,
                       std::uint32_t* out, std::size_t byte_stride);

/// rows <= kVnniRows result rows over all steps, at the tiles `starts` (offsets[s] leads to coefficient 0 of step s):
///   out[r][16 t + i] += multiplier * sum_b 2^(8 (4 - bytes + b)) sum_s <weights[s][r], lanes[offsets[s] + b *
///   byte_stride + starts[t] + i]>
/// weights: [step][kVnniRows][kGroup].
void shifted_bytes_avx512(const ByteLanes& in, std::span<const std::int32_t> offsets, const std::int8_t* weights,
                          std::size_t rows, std::uint32_t multiplier, std::span<const std::uint32_t> starts,
                          std::uint32_t* const* out);

/// A step of the AMX kernel: kAmxGroups consecutive groups at one shift. weights: [step][kAmxRows][kAmxGroups][kGroup]
/// for each of up to two blocks of rows; groups past the last one are lanes of zeros.
struct AmxBlock {
    const std::int8_t* weights = nullptr;
    std::size_t rows = 0;  ///< 0 to kAmxRows
    std::uint32_t* const* out = nullptr;
};
void shifted_bytes_amx(const ByteLanes& in, std::span<const std::int32_t> offsets, const AmxBlock (&blocks)[2],
                       std::uint32_t multiplier, std::span<const std::uint32_t> starts);

}  // namespace flash::lattice::kernels
