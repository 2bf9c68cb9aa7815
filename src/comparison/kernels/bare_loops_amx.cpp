#include <immintrin.h>

#include "comparison/kernels/bare_loops.h"
#include "lattice/kernels/amx_tiles.h"

namespace flash::comparison {

double bare_bytes_amx(std::uint64_t rounds) {
    lattice::kernels::configure_tiles();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    for (std::uint64_t i = 0; i < rounds; ++i) {
        _tile_dpbsud(0, 4, 6);
        _tile_dpbsud(1, 4, 7);
        _tile_dpbsud(2, 5, 6);
        _tile_dpbsud(3, 5, 7);
    }
    _tile_release();
    return static_cast<double>(rounds) * 4 * 16 * 16 * 64;
}

}  // namespace flash::comparison
