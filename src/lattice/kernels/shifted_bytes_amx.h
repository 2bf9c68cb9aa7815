// The AMX kernel, over whatever implements its tiles: the processor (shifted_bytes_amx.cpp) or plain arithmetic (tests,
// so that the kernel's logic is checked on machines without AMX).
#pragma once

#include <algorithm>
#include <cstring>

#include "base/secret.h"
#include "lattice/kernels/shifted_bytes.h"

namespace flash::lattice::kernels {

/// Tiles has static functions over eight tiles of 16 rows of 64 bytes, numbered at compile time:
///   configure(), release(), zero<I>(), load<I>(bytes, row_stride), store<I>(words, row_stride), and
///   multiply<C, A, B>(): C[m][n] += sum over k < 16, i < 4 of A[m].s8[4 k + i] * B[k].u8[4 n + i]   (s32, wrapping)
template <class Tiles>
[[gnu::always_inline]] inline void shifted_bytes_on_tiles(const ByteLanes& in, std::span<const std::int32_t> offsets,
                                                          const AmxBlock (&blocks)[2], std::uint32_t multiplier,
                                                          std::span<const std::uint32_t> starts) {
    constexpr std::size_t kWidth = 16, kWeights = kAmxRows * kAmxGroups * kGroup, kRowBytes = kAmxGroups * kGroup;
    const bool second_block = blocks[1].rows > 0;
    const std::size_t stride = in.group_stride * sizeof(std::uint32_t);
    alignas(64) std::uint32_t sums[2][2][kAmxRows][kWidth], products[2][2][kAmxRows][kWidth];
    Tiles::configure();
    for (std::size_t t = 0; t < starts.size(); t += 2) {
        const bool second_tile = t + 1 < starts.size();
        std::memset(sums, 0, sizeof sums);
        for (int b = 0; b < in.bytes; ++b) {
            const std::uint32_t* lanes = in.lanes + static_cast<std::size_t>(b) * in.byte_stride;
            Tiles::template zero<0>();
            Tiles::template zero<1>();
            Tiles::template zero<2>();
            Tiles::template zero<3>();
            for (std::size_t s = 0; s < offsets.size(); ++s) {
                const std::uint32_t* at = lanes + offsets[s];
                Tiles::template load<4>(blocks[0].weights + s * kWeights, kRowBytes);
                Tiles::template load<6>(at + starts[t], stride);
                Tiles::template multiply<0, 4, 6>();
                if (second_tile) {
                    Tiles::template load<7>(at + starts[t + 1], stride);
                    Tiles::template multiply<1, 4, 7>();
                }
                if (second_block) {
                    Tiles::template load<5>(blocks[1].weights + s * kWeights, kRowBytes);
                    Tiles::template multiply<2, 5, 6>();
                    if (second_tile) Tiles::template multiply<3, 5, 7>();
                }
            }
            Tiles::template store<0>(products[0][0], sizeof products[0][0][0]);
            Tiles::template store<1>(products[0][1], sizeof products[0][0][0]);
            Tiles::template store<2>(products[1][0], sizeof products[0][0][0]);
            Tiles::template store<3>(products[1][1], sizeof products[0][0][0]);
            const int shift = 8 * (4 - in.bytes + b);
            for (std::size_t block = 0; block < 2; ++block)
                for (std::size_t tile = 0; tile < 2; ++tile)
                    for (std::size_t r = 0; r < kAmxRows; ++r)
                        for (std::size_t i = 0; i < kWidth; ++i)
                            sums[block][tile][r][i] += products[block][tile][r][i] << shift;
        }
        for (std::size_t block = 0; block < 2; ++block)
            for (std::size_t tile = 0; tile < (second_tile ? 2u : 1u); ++tile)
                for (std::size_t r = 0; r < blocks[block].rows; ++r)
                    for (std::size_t i = 0; i < kWidth; ++i)
                        blocks[block].out[r][kWidth * (t + tile) + i] += multiplier * sums[block][tile][r][i];
    }
    Tiles::release();
    // Results that are not masked yet, and may hold a share of the inputs' owner.
    wipe(sums, sizeof sums);
    wipe(products, sizeof products);
}

}  // namespace flash::lattice::kernels
