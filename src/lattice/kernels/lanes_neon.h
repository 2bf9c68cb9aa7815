// Two residues per vector for 64-bit ARM, whose vectors have products of 32 bits only: factors of 52 bits are taken
// apart into halves. For *_neon.cpp files only: the anonymous namespace keeps the code out of all others.
// lanes_portable.h is the same for one residue.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace flash::lattice::kernels {
namespace {

struct Lanes {
    using Vector = uint64x2_t;
    static constexpr std::size_t kCount = 2;

    static Vector zero() { return vdupq_n_u64(0); }
    static Vector all(std::uint64_t x) { return vdupq_n_u64(x); }
    static Vector load(const std::uint64_t* x) { return vld1q_u64(x); }
    static Vector load(const std::uint32_t* x) { return vmovl_u32(vld1_u32(x)); }
    static Vector load(const std::int32_t* x) { return vreinterpretq_u64_s64(vmovl_s32(vld1_s32(x))); }
    static Vector load(const std::int8_t* x) {
        std::int16_t two;
        std::memcpy(&two, x, sizeof two);
        const int16x8_t words = vmovl_s8(vreinterpret_s8_s16(vdup_n_s16(two)));
        return vreinterpretq_u64_s64(vmovl_s32(vget_low_s32(vmovl_s16(vget_low_s16(words)))));
    }
    static void store(std::uint64_t* x, Vector v) { vst1q_u64(x, v); }
    static void store(std::uint32_t* x, Vector v) { vst1_u32(x, vmovn_u64(v)); }

    static Vector add(Vector x, Vector y) { return vaddq_u64(x, y); }
    static Vector subtract(Vector x, Vector y) { return vsubq_u64(x, y); }
    static Vector bit_and(Vector x, Vector y) { return vandq_u64(x, y); }
    static Vector bit_or(Vector x, Vector y) { return vorrq_u64(x, y); }
    /// Counts that are the same for all lanes and public.
    static Vector shift_right(Vector x, int bits) { return vshlq_u64(x, vdupq_n_s64(-bits)); }
    static Vector shift_left(Vector x, int bits) { return vshlq_u64(x, vdupq_n_s64(bits)); }
    /// y where x < bound, else 0; both below 2^63.
    static Vector if_less(Vector x, Vector bound, Vector y) { return vandq_u64(vcltq_u64(x, bound), y); }
    /// x - bound if that is not negative, else x; for x, bound < 2^63.
    static Vector subtract_if_at_least(Vector x, Vector bound) {
        const Vector less = vsubq_u64(x, bound);
        return vaddq_u64(less, vandq_u64(vcltzq_s64(vreinterpretq_s64_u64(less)), bound));
    }
    /// sum + the low (high) 52 bits of the product of the low 52 bits of x and y.
    static Vector add_low(Vector sum, Vector x, Vector y) {
        const uint32x2_t x0 = vmovn_u64(x), y0 = vmovn_u64(y), x1 = vshrn_n_u64(x, 32), y1 = vshrn_n_u64(y, 32);
        const Vector crossed = vmlal_u32(vmull_u32(x0, y1), x1, y0);
        const Vector product = vmlal_u32(vshlq_n_u64(crossed, 32), x0, y0);
        return vaddq_u64(sum, vandq_u64(product, all((std::uint64_t{1} << 52) - 1)));
    }
    static Vector add_high(Vector sum, Vector x, Vector y) {
        // x = x0 + 2^26 x1, y alike: the product is low + 2^26 middle + 2^52 high, with middle below 2^53.
        const uint32x2_t mask = vdup_n_u32((1u << 26) - 1);
        const uint32x2_t x0 = vand_u32(vmovn_u64(x), mask), y0 = vand_u32(vmovn_u64(y), mask),
                         x1 = vand_u32(vshrn_n_u64(x, 26), mask), y1 = vand_u32(vshrn_n_u64(y, 26), mask);
        const Vector low = vmull_u32(x0, y0), middle = vmlal_u32(vmull_u32(x1, y0), x0, y1);
        const Vector carried = vsraq_n_u64(middle, low, 26);
        return vaddq_u64(sum, vsraq_n_u64(vmull_u32(x1, y1), carried, 26));
    }
};

}  // namespace
}  // namespace flash::lattice::kernels
