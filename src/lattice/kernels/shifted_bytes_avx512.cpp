// VNNI: vpdpbusd adds four products of an unsigned byte and a signed byte to each of 16 lanes, wrapping mod 2^32.
#include <immintrin.h>

#include <type_traits>
#include <utility>

#include "lattice/kernels/shifted_bytes.h"

namespace flash::lattice::kernels {

namespace {

inline __m512i load(const void* x) { return _mm512_loadu_si512(x); }

/// _mm512_dpbusd_epi32 in place. GCC 12 surrounds the intrinsic with copies between registers, which halve the speed.
inline void multiply_add(__m512i& sum, __m512i bytes, __m512i weights) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(bytes), "v"(weights));
}

/// body(0), ..., body(kCount - 1) with constants, so that accumulators in arrays are scalars to the compiler and stay
/// in registers.
template <int kCount, class Body>
[[gnu::always_inline]] inline void unrolled(const Body& body) {
    [&]<int... kIndex>(std::integer_sequence<int, kIndex...>) __attribute__((always_inline)) {
        (body(std::integral_constant<int, kIndex>{}), ...);
    }
    (std::make_integer_sequence<int, kCount>{});
}

/// Four rows by kTiles tiles by kBytes bytes, all accumulators in registers: 24 at most, of 32. Every step loads kTiles
/// * kBytes vectors and broadcasts four weights for 4 * kTiles * kBytes multiply-accumulates.
template <int kTiles, int kBytes>
void block(const std::uint32_t* lanes, std::size_t byte_stride, std::span<const std::int32_t> offsets,
           const std::int8_t* weights, std::size_t rows, __m512i multiplier, int shift, const std::uint32_t* starts,
           std::uint32_t* const* out, std::size_t to) {
    constexpr int kRows = static_cast<int>(kVnniRows), kVectors = kTiles * kBytes;
    __m512i sums[kRows * kVectors];
    unrolled<kRows * kVectors>([&](auto i) __attribute__((always_inline)) { sums[i] = _mm512_setzero_si512(); });
    const std::uint32_t* bases[kTiles];
    unrolled<kTiles>([&](auto t) __attribute__((always_inline)) { bases[t] = lanes + starts[t]; });
    for (std::size_t s = 0; s < offsets.size(); ++s) {
        __m512i x[kVectors];
        unrolled<kVectors>([&](auto v) __attribute__((always_inline)) {
            constexpr int kTileOf = v / kBytes;
            constexpr std::size_t kByteOf = v % kBytes;
            x[v] = load(bases[kTileOf] + offsets[s] + static_cast<std::ptrdiff_t>(kByteOf * byte_stride));
        });
        unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
            int four;
            __builtin_memcpy(&four, weights + (s * kVnniRows + static_cast<std::size_t>(r)) * kGroup, sizeof four);
            const __m512i w = _mm512_set1_epi32(four);
            unrolled<kVectors>([&](auto v)
                                   __attribute__((always_inline)) { multiply_add(sums[r * kVectors + v], x[v], w); });
        });
    }
    unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
        if (static_cast<std::size_t>(r) >= rows) return;
        unrolled<kTiles>([&](auto t) __attribute__((always_inline)) {
            __m512i sum = sums[r * kVectors + t * kBytes + kBytes - 1];
            unrolled<kBytes - 1>([&](auto b) __attribute__((always_inline)) {
                sum = _mm512_add_epi32(_mm512_slli_epi32(sum, 8), sums[r * kVectors + t * kBytes + kBytes - 2 - b]);
            });
            sum = _mm512_mullo_epi32(_mm512_sll_epi32(sum, _mm_cvtsi32_si128(shift)), multiplier);
            std::uint32_t* at = out[r] + to + static_cast<std::size_t>(16 * t);
            _mm512_storeu_si512(at, _mm512_add_epi32(load(at), sum));
        });
    });
}

/// All tiles, kTiles at a time, for kBytes bytes from byte `first` of those that are there.
template <int kTiles, int kBytes>
void all_tiles(const ByteLanes& in, int first, std::span<const std::int32_t> offsets, const std::int8_t* weights,
               std::size_t rows, __m512i multiplier, std::span<const std::uint32_t> starts, std::uint32_t* const* out) {
    const std::uint32_t* lanes = in.lanes + static_cast<std::size_t>(first) * in.byte_stride;
    const int shift = 8 * (4 - in.bytes + first);
    std::size_t t = 0;
    for (; t + kTiles <= starts.size(); t += kTiles)
        block<kTiles, kBytes>(lanes, in.byte_stride, offsets, weights, rows, multiplier, shift, starts.data() + t, out,
                              16 * t);
    for (; t < starts.size(); ++t)
        block<1, kBytes>(lanes, in.byte_stride, offsets, weights, rows, multiplier, shift, starts.data() + t, out,
                         16 * t);
}

/// The lanes of four words: bytes 0 of all, bytes 1 of all, ... A transposition of four by four bytes in every 32-bit
/// position.
inline void split(__m512i a, __m512i b, __m512i c, __m512i d, __m512i (&out)[4]) {
    const __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
    const __m512i cd_low = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
    // Of each block of four coefficients, number i: its four lanes side by side.
    const __m512i i0 = _mm512_unpacklo_epi16(ab_low, cd_low), i1 = _mm512_unpackhi_epi16(ab_low, cd_low);
    const __m512i i2 = _mm512_unpacklo_epi16(ab_high, cd_high), i3 = _mm512_unpackhi_epi16(ab_high, cd_high);
    const __m512i low01 = _mm512_unpacklo_epi32(i0, i1), high01 = _mm512_unpackhi_epi32(i0, i1);
    const __m512i low23 = _mm512_unpacklo_epi32(i2, i3), high23 = _mm512_unpackhi_epi32(i2, i3);
    out[0] = _mm512_unpacklo_epi64(low01, low23);
    out[1] = _mm512_unpackhi_epi64(low01, low23);
    out[2] = _mm512_unpacklo_epi64(high01, high23);
    out[3] = _mm512_unpackhi_epi64(high01, high23);
}

}  // namespace

void interleave_avx512(const std::uint32_t* const x[kGroup], std::size_t count, bool negate, int bytes,
                       std::uint32_t* out, std::size_t byte_stride) {
    for (std::size_t j = 0; j < count; j += 16) {
        const __mmask16 mask =
            count - j >= 16 ? static_cast<__mmask16>(0xffff) : static_cast<__mmask16>((1u << (count - j)) - 1);
        __m512i words[kGroup], parts[4];
        for (std::size_t k = 0; k < kGroup; ++k) {
            words[k] = x[k] ? _mm512_maskz_loadu_epi32(mask, x[k] + j) : _mm512_setzero_si512();
            if (negate) words[k] = _mm512_sub_epi32(_mm512_setzero_si512(), words[k]);
        }
        split(words[0], words[1], words[2], words[3], parts);
        for (int b = 0; b < bytes; ++b)
            _mm512_mask_storeu_epi32(out + static_cast<std::size_t>(b) * byte_stride + j, mask, parts[4 - bytes + b]);
    }
}

void shifted_bytes_avx512(const ByteLanes& in, std::span<const std::int32_t> offsets, const std::int8_t* weights,
                          std::size_t rows, std::uint32_t multiplier, std::span<const std::uint32_t> starts,
                          std::uint32_t* const* out) {
    const __m512i factor = _mm512_set1_epi32(static_cast<int>(multiplier));
    switch (in.bytes) {
        case 4:  // twice two bytes, so that three tiles fit in the registers
            all_tiles<3, 2>(in, 0, offsets, weights, rows, factor, starts, out);
            return all_tiles<3, 2>(in, 2, offsets, weights, rows, factor, starts, out);
        case 3: return all_tiles<2, 3>(in, 0, offsets, weights, rows, factor, starts, out);
        case 2: return all_tiles<3, 2>(in, 0, offsets, weights, rows, factor, starts, out);
        case 1: return all_tiles<4, 1>(in, 0, offsets, weights, rows, factor, starts, out);
    }
}

}  // namespace flash::lattice::kernels
