// AMX-INT8: one instruction multiplies 16 rows of 64 signed weights by 64 x 16 unsigned bytes.
#include "lattice/kernels/shifted_bytes_amx.h"

#include <immintrin.h>

#include "lattice/kernels/amx_tiles.h"

namespace flash::lattice::kernels {

namespace {

struct ProcessorTiles {
    static void configure() { configure_tiles(); }
    static void release() { _tile_release(); }
    // GCC's intrinsics are macros that need the number of the tile as a literal.
    template <int I>
    static void zero() {
        if constexpr (I == 0) _tile_zero(0);
        if constexpr (I == 1) _tile_zero(1);
        if constexpr (I == 2) _tile_zero(2);
        if constexpr (I == 3) _tile_zero(3);
    }
    template <int I>
    static void load(const void* from, std::size_t row_stride) {
        if constexpr (I == 4) _tile_loadd(4, from, row_stride);
        if constexpr (I == 5) _tile_loadd(5, from, row_stride);
        if constexpr (I == 6) _tile_loadd(6, from, row_stride);
        if constexpr (I == 7) _tile_loadd(7, from, row_stride);
    }
    template <int I>
    static void store(void* to, std::size_t row_stride) {
        if constexpr (I == 0) _tile_stored(0, to, row_stride);
        if constexpr (I == 1) _tile_stored(1, to, row_stride);
        if constexpr (I == 2) _tile_stored(2, to, row_stride);
        if constexpr (I == 3) _tile_stored(3, to, row_stride);
    }
    template <int C, int A, int B>
    static void multiply() {
        static_assert(A == 4 + C / 2 && B == 6 + C % 2);
        if constexpr (C == 0) _tile_dpbsud(0, 4, 6);
        if constexpr (C == 1) _tile_dpbsud(1, 4, 7);
        if constexpr (C == 2) _tile_dpbsud(2, 5, 6);
        if constexpr (C == 3) _tile_dpbsud(3, 5, 7);
    }
};

}  // namespace

void shifted_bytes_amx(const ByteLanes& in, std::span<const std::int32_t> offsets, const AmxBlock (&blocks)[2],
                       std::uint32_t multiplier, std::span<const std::uint32_t> starts) {
    shifted_bytes_on_tiles<ProcessorTiles>(in, offsets, blocks, multiplier, starts);
}

}  // namespace flash::lattice::kernels
