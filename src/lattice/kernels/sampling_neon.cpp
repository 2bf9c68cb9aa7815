#include <arm_neon.h>

#include "lattice/kernels/sampling.h"

namespace flash::lattice::kernels {

namespace {

/// Four digits from each of two words: floor(3 x / 2^64) counts how many of 2^64 / 3 and 2^65 / 3 are at most x.
inline uint32x2_t ternary(uint64x2_t x) {
    const uint64x2_t first = vdupq_n_u64(0x5555555555555555), second = vdupq_n_u64(0xaaaaaaaaaaaaaaaa);
    uint64x2_t digits = vdupq_n_u64(0), unit = vdupq_n_u64(1);
    for (int k = 0; k < 4; ++k) {
        digits = vaddq_u64(digits, vandq_u64(vcgtq_u64(x, first), unit));
        digits = vaddq_u64(digits, vandq_u64(vcgtq_u64(x, second), unit));
        unit = vshlq_n_u64(unit, 8);
        x = vaddq_u64(x, vaddq_u64(x, x));
    }
    return vmovn_u64(digits);
}

/// The numbers of ones of two pairs of numbers, in 32-bit lanes.
inline uint32x4_t ones(const std::uint8_t* pairs) {
    constexpr std::uint8_t kSpread[16] = {0, 1, 2, 255, 3, 4, 5, 255, 6, 7, 8, 255, 9, 10, 11, 255};
    const uint8x16_t mask = vreinterpretq_u8_u64(vdupq_n_u64(kErrorMask));
    // A table in a register: no memory access depends on what is counted.
    const uint8x16_t bits = vandq_u8(vqtbl1q_u8(vld1q_u8(pairs), vld1q_u8(kSpread)), mask);
    return vpaddlq_u16(vpaddlq_u8(vcntq_u8(bits)));
}

/// The differences of four pairs.
inline int16x4_t error(const std::uint8_t* pairs) {
    const uint32x4_t low = ones(pairs), high = ones(pairs + 2 * kErrorBytes);
    return vmovn_s32(vreinterpretq_s32_u32(vsubq_u32(vuzp1q_u32(low, high), vuzp2q_u32(low, high))));
}

}  // namespace

void ternary_neon(const std::uint64_t* words, std::size_t count, std::int8_t* out) {
    std::size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        const uint32x4_t digits =
            vcombine_u32(ternary(vld1q_u64(words + i / 4)), ternary(vld1q_u64(words + i / 4 + 2)));
        vst1q_s8(out + i, vsubq_s8(vreinterpretq_s8_u32(digits), vdupq_n_s8(1)));
    }
    ternary_portable(words + i / 4, count - i, out + i);
}

void error_neon(const std::uint8_t* bytes, std::size_t count, std::int8_t* out) {
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const std::uint8_t* from = bytes + i * kErrorBytes;
        vst1_s8(out + i, vmovn_s16(vcombine_s16(error(from), error(from + 4 * kErrorBytes))));
    }
    error_portable(bytes + i * kErrorBytes, count - i, out + i);
}

}  // namespace flash::lattice::kernels
