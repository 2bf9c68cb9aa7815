// C += A B in double precision on packed tiles; the twin uses it on integers small enough for every partial sum to be
// exact (below 2^53), so all implementations give the same result in any order of summation.
#pragma once

#include <cstddef>

namespace flash::model::kernels {

inline constexpr std::size_t kTileRows = 6;
inline constexpr std::size_t kTileColumns = 8;

/// c[r * stride + j] += sum over k < depth of a[k * kTileRows + r] * b[k * kTileColumns + j], for a full tile.
using GemmTile = void (*)(const double* a, const double* b, std::size_t depth, double* c, std::size_t stride);

void gemm_tile_portable(const double* a, const double* b, std::size_t depth, double* c, std::size_t stride);
/// Only on processors with AVX2 and FMA.
void gemm_tile_avx2(const double* a, const double* b, std::size_t depth, double* c, std::size_t stride);

bool has_avx2();
/// The fastest implementation on this processor.
GemmTile gemm_tile();

}  // namespace flash::model::kernels
