// Two residues per vector for WebAssembly, whose vectors have products of 32 bits by 32, and low halves of 64 by 64.
// For
// *_simd128.cpp files only: the anonymous namespace keeps the code out of all others. lanes_portable.h is the same for
// one residue.
#pragma once

#include <wasm_simd128.h>

#include <cstddef>
#include <cstdint>

namespace flash::lattice::kernels {
namespace {

struct Lanes {
    using Vector = v128_t;
    static constexpr std::size_t kCount = 2;

    static Vector zero() { return wasm_i64x2_const_splat(0); }
    static Vector all(std::uint64_t x) { return wasm_i64x2_splat(static_cast<std::int64_t>(x)); }
    static Vector load(const std::uint64_t* x) { return wasm_v128_load(x); }
    static Vector load(const std::uint32_t* x) { return wasm_u64x2_load32x2(x); }
    static Vector load(const std::int32_t* x) { return wasm_i64x2_load32x2(x); }
    static Vector load(const std::int8_t* x) {
        return wasm_i64x2_extend_low_i32x4(
            wasm_i32x4_extend_low_i16x8(wasm_i16x8_extend_low_i8x16(wasm_v128_load16_splat(x))));
    }
    static void store(std::uint64_t* x, Vector v) { wasm_v128_store(x, v); }
    static void store(std::uint32_t* x, Vector v) {
        wasm_v128_store64_lane(x, wasm_i32x4_shuffle(v, v, 0, 2, 0, 2), 0);
    }

    static Vector add(Vector x, Vector y) { return wasm_i64x2_add(x, y); }
    static Vector subtract(Vector x, Vector y) { return wasm_i64x2_sub(x, y); }
    static Vector bit_and(Vector x, Vector y) { return wasm_v128_and(x, y); }
    static Vector bit_or(Vector x, Vector y) { return wasm_v128_or(x, y); }
    /// Counts that are the same for all lanes and public.
    static Vector shift_right(Vector x, int bits) { return wasm_u64x2_shr(x, static_cast<std::uint32_t>(bits)); }
    static Vector shift_left(Vector x, int bits) { return wasm_i64x2_shl(x, static_cast<std::uint32_t>(bits)); }
    /// y where x < bound, else 0; both below 2^63.
    static Vector if_less(Vector x, Vector bound, Vector y) { return wasm_v128_and(wasm_i64x2_lt(x, bound), y); }
    /// x - bound if that is not negative, else x; for x, bound < 2^63.
    static Vector subtract_if_at_least(Vector x, Vector bound) {
        const Vector less = wasm_i64x2_sub(x, bound);
        return wasm_i64x2_add(less, wasm_v128_and(wasm_i64x2_lt(less, zero()), bound));
    }
    /// sum + the low (high) 52 bits of the product of the low 52 bits of x and y.
    static Vector add_low(Vector sum, Vector x, Vector y) {
        return wasm_i64x2_add(sum, wasm_v128_and(wasm_i64x2_mul(x, y), all((std::uint64_t{1} << 52) - 1)));
    }
    static Vector add_high(Vector sum, Vector x, Vector y) {
        // x = x0 + 2^26 x1: as words of 32 bits the x0 of both lanes, then their x1; and y alike.
        const Vector first = halves(x), second = halves(y), turned = wasm_i32x4_shuffle(second, second, 2, 3, 0, 1);
        const Vector low = wasm_u64x2_extmul_low_u32x4(first, second),
                     high = wasm_u64x2_extmul_high_u32x4(first, second),
                     middle = wasm_i64x2_add(wasm_u64x2_extmul_low_u32x4(first, turned),
                                             wasm_u64x2_extmul_high_u32x4(first, turned));
        const Vector carried = wasm_i64x2_add(middle, wasm_u64x2_shr(low, 26));
        return wasm_i64x2_add(sum, wasm_i64x2_add(high, wasm_u64x2_shr(carried, 26)));
    }

private:
    static Vector halves(Vector x) {
        const Vector mask = all((std::uint64_t{1} << 26) - 1);
        return wasm_i32x4_shuffle(wasm_v128_and(x, mask), wasm_v128_and(wasm_u64x2_shr(x, 26), mask), 0, 2, 4, 6);
    }
};

}  // namespace
}  // namespace flash::lattice::kernels
