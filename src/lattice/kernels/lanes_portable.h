// One residue per "vector": what lanes_avx512.h does with eight, for the portable siblings of kernels written once for
// both.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lattice/modulus.h"

namespace flash::lattice::kernels {
namespace {

struct Lanes {
    using Vector = std::uint64_t;
    static constexpr std::size_t kCount = 1;

    static Vector zero() { return 0; }
    static Vector all(std::uint64_t x) { return x; }
    static Vector load(const std::uint64_t* x) { return *x; }
    static Vector load(const std::uint32_t* x) { return *x; }
    static Vector load(const std::int32_t* x) { return static_cast<Vector>(static_cast<std::int64_t>(*x)); }
    static Vector load(const std::int8_t* x) { return static_cast<Vector>(static_cast<std::int64_t>(*x)); }
    static void store(std::uint64_t* x, Vector v) { *x = v; }
    static void store(std::uint32_t* x, Vector v) { *x = static_cast<std::uint32_t>(v); }

    static Vector add(Vector x, Vector y) { return x + y; }
    static Vector subtract(Vector x, Vector y) { return x - y; }
    static Vector bit_and(Vector x, Vector y) { return x & y; }
    static Vector bit_or(Vector x, Vector y) { return x | y; }
    static Vector shift_right(Vector x, int bits) { return x >> bits; }
    static Vector shift_left(Vector x, int bits) { return x << bits; }
    /// y where x < bound, else 0; both below 2^63.
    static Vector if_less(Vector x, Vector bound, Vector y) {
        return y & static_cast<Vector>(static_cast<std::int64_t>(x - bound) >> 63);
    }
    static Vector subtract_if_at_least(Vector x, Vector bound) { return lattice::subtract_if_at_least(x, bound); }
    static Vector add_low(Vector sum, Vector x, Vector y) { return sum + (((x & kLow) * (y & kLow)) & kLow); }
    static Vector add_high(Vector sum, Vector x, Vector y) {
        return sum + static_cast<Vector>(static_cast<u128>(x & kLow) * (y & kLow) >> 52);
    }

private:
    static constexpr Vector kLow = (Vector{1} << 52) - 1;
};

}  // namespace
}  // namespace flash::lattice::kernels
