// How the kernels that use AMX set up their tiles. To be included where the instruction set is AMX.
#pragma once

#include <cstdint>

namespace flash::lattice::kernels {

/// Gives this thread eight tiles of 16 rows of 64 bytes (palette 1), until _tile_release().
///
/// Not by GCC 12's _tile_loadconfig(): that tells the compiler of the first eight of the 64 bytes only. It may leave
/// out what is written into the others, and what lies there instead is a fault.
inline void configure_tiles() {
    struct alignas(64) TileConfig {
        std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
        std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
        std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    };
    static_assert(sizeof(TileConfig) == 64);
    const TileConfig config;
    asm volatile("ldtilecfg %0" : : "m"(config));
}

}  // namespace flash::lattice::kernels
