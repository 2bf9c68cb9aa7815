// Eight values take exactly `bits` bytes, so every group of eight starts at a byte, and the position of each of its
// values is the same in all groups: one permutation of bytes brings the bytes of a value to its lane, one shift drops
// the bits before it, and packing goes the opposite way.
#include <immintrin.h>

#include "lattice/kernels/bitpack.h"

namespace flash::lattice::kernels {

namespace {

constexpr std::uint64_t kEveryByte = 0x0101010101010101, kAscending = 0x0706050403020100;

inline __m512i set1(std::uint64_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
inline __m512i lanes() { return _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7); }
inline __m512i low_bits(int bits) { return set1(~std::uint64_t{0} >> (64 - bits)); }
inline __mmask64 first_bytes(std::size_t count) { return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1; }

/// Where eight values of `bits` bits lie within 64 bytes, from value `first` on.
struct Places {
    __m512i bytes;       ///< for each lane the eight bytes from the one where its value starts
    __m512i ninth;       ///< the byte after them, in the low byte of the lane; wide values may reach it
    __m512i shift;       ///< the value's first bit within its first byte
    __m512i complement;  ///< 64 - shift
    Places(int bits, std::uint64_t first) {
        const __m512i start =
            _mm512_mullo_epi64(_mm512_add_epi64(lanes(), set1(first)), set1(static_cast<std::uint64_t>(bits)));
        bytes = _mm512_add_epi8(_mm512_mullo_epi64(_mm512_srli_epi64(start, 3), set1(kEveryByte)), set1(kAscending));
        ninth = _mm512_add_epi8(bytes, set1(8));
        shift = _mm512_and_si512(start, set1(7));
        complement = _mm512_sub_epi64(set1(64), shift);
    }
    template <bool kWide>
    __m512i take(__m512i packed, __m512i mask) const {
        __m512i x = _mm512_srlv_epi64(_mm512_permutexvar_epi8(bytes, packed), shift);
        if constexpr (kWide) {
            // A shift by 64 gives zero.
            const __m512i next = _mm512_maskz_permutexvar_epi8(kEveryByte, ninth, packed);
            x = _mm512_or_si512(x, _mm512_sllv_epi64(next, complement));
        }
        return _mm512_and_si512(x, mask);
    }
};

template <bool kWide>
void unpack_groups(const std::uint8_t* in, int bits, std::uint64_t* out, std::size_t count) {
    const Places places(bits, 0);
    const __m512i mask = low_bits(bits);
    const std::size_t width = static_cast<std::size_t>(bits);
    const __mmask64 group = first_bytes(width);
    for (; count >= 8; count -= 8, in += width, out += 8)
        _mm512_storeu_si512(out, places.take<kWide>(_mm512_maskz_loadu_epi8(group, in), mask));
    if (count)
        _mm512_mask_storeu_epi64(
            out, static_cast<__mmask8>((1u << count) - 1),
            places.take<kWide>(_mm512_maskz_loadu_epi8(first_bytes((count * width + 7) / 8), in), mask));
}

/// Where the eight words of 64 bits of a packed group come from: word j is the sum (disjoint bits) of kParts values,
/// shifted.
template <int kParts>
struct Sources {
    __m512i index[kParts], left[kParts], right;
    explicit Sources(int bits) {
        // Word j starts within value k = floor(64 j / bits), after its first 64 j - k bits bits.
        alignas(64) std::uint64_t first[8], skipped[8];
        for (std::uint64_t j = 0; j < 8; ++j) {
            first[j] = 64 * j / static_cast<std::uint64_t>(bits);
            skipped[j] = 64 * j % static_cast<std::uint64_t>(bits);
        }
        right = _mm512_load_si512(skipped);
        for (int part = 0; part < kParts; ++part) {
            index[part] = _mm512_add_epi64(_mm512_load_si512(first), set1(static_cast<std::uint64_t>(part)));
            left[part] =
                _mm512_sub_epi64(set1(static_cast<std::uint64_t>(part) * static_cast<std::uint64_t>(bits)), right);
            // Values beyond the eighth do not exist: a shift by 64 or more gives zero.
            left[part] = _mm512_mask_mov_epi64(left[part], _mm512_cmpgt_epu64_mask(index[part], set1(7)), set1(64));
        }
        right = _mm512_mask_mov_epi64(right, _mm512_cmpgt_epu64_mask(index[0], set1(7)), set1(64));
    }
    __m512i pack(__m512i values) const {
        __m512i x = _mm512_srlv_epi64(_mm512_permutexvar_epi64(index[0], values), right);
        for (int part = 1; part < kParts; ++part)
            x = _mm512_or_si512(x, _mm512_sllv_epi64(_mm512_permutexvar_epi64(index[part], values), left[part]));
        return x;
    }
};

inline void store_first(std::uint8_t* out, std::size_t size, __m512i x) {
    _mm512_mask_storeu_epi8(out, first_bytes(size), x);
}

template <int kParts>
void pack_groups(const std::uint64_t* in, std::size_t count, int bits, std::uint8_t* out) {
    const Sources<kParts> sources(bits);
    const __m512i mask = low_bits(bits);
    const std::size_t width = static_cast<std::size_t>(bits);
    // While 64 bytes are left the whole register is stored; the zeros beyond the group are overwritten by the next.
    std::size_t left = (count * width + 7) / 8;
    for (; count >= 8; count -= 8, left -= width, in += 8, out += width) {
        const __m512i x = sources.pack(_mm512_and_si512(_mm512_loadu_si512(in), mask));
        if (left >= 64)
            _mm512_storeu_si512(out, x);
        else
            store_first(out, width, x);
    }
    if (count)
        store_first(out, left,
                    sources.pack(_mm512_and_si512(
                        _mm512_maskz_loadu_epi64(static_cast<__mmask8>((1u << count) - 1), in), mask)));
}

/// Sixteen words as eight pairs of 2 * bits <= 64 bits.
inline __m512i pairs(__m512i words, __m512i mask, __m512i shift) {
    const __m512i high = _mm512_and_si512(_mm512_srli_epi64(words, 32), mask);
    return _mm512_or_si512(_mm512_and_si512(words, mask), _mm512_sllv_epi64(high, shift));
}

template <int kParts>
void pack_groups(const std::uint32_t* in, std::size_t count, int bits, std::uint8_t* out) {
    const Sources<kParts> sources(2 * bits);
    const __m512i mask = low_bits(bits), shift = set1(static_cast<std::uint64_t>(bits));
    const std::size_t width = 2 * static_cast<std::size_t>(bits);
    std::size_t left = (count * static_cast<std::size_t>(bits) + 7) / 8;
    for (; count >= 16; count -= 16, left -= width, in += 16, out += width) {
        const __m512i x = sources.pack(pairs(_mm512_loadu_si512(in), mask, shift));
        if (left >= 64)
            _mm512_storeu_si512(out, x);
        else
            store_first(out, width, x);
    }
    if (count)
        store_first(
            out, left,
            sources.pack(pairs(_mm512_maskz_loadu_epi32(static_cast<__mmask16>((1u << count) - 1), in), mask, shift)));
}

}  // namespace

// A word of 64 bits meets at most floor(62 / bits) + 2 values: three from 32 bits on, five from 16 on, and so on.

void pack_avx512(const std::uint64_t* in, std::size_t count, int bits, std::uint8_t* out) {
    if (bits >= 32)
        pack_groups<3>(in, count, bits, out);
    else if (bits >= 16)
        pack_groups<5>(in, count, bits, out);
    else
        pack_groups<8>(in, count, bits, out);
}

void pack_avx512(const std::uint32_t* in, std::size_t count, int bits, std::uint8_t* out) {
    if (bits >= 16)
        pack_groups<3>(in, count, bits, out);
    else if (bits >= 8)
        pack_groups<5>(in, count, bits, out);
    else
        pack_groups<8>(in, count, bits, out);
}

void unpack_avx512(const std::uint8_t* in, int bits, std::uint64_t* out, std::size_t count) {
    if (bits > 57)
        unpack_groups<true>(in, bits, out, count);
    else
        unpack_groups<false>(in, bits, out, count);
}

void unpack_avx512(const std::uint8_t* in, int bits, std::uint32_t* out, std::size_t count) {
    const Places low(bits, 0), high(bits, 8);
    const __m512i mask = low_bits(bits),
                  even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const auto take = [&](__m512i packed) {
        return _mm512_permutex2var_epi32(low.take<false>(packed, mask), even, high.take<false>(packed, mask));
    };
    const std::size_t width = 2 * static_cast<std::size_t>(bits);
    const __mmask64 group = first_bytes(width);
    for (; count >= 16; count -= 16, in += width, out += 16)
        _mm512_storeu_si512(out, take(_mm512_maskz_loadu_epi8(group, in)));
    if (count)
        _mm512_mask_storeu_epi32(
            out, static_cast<__mmask16>((1u << count) - 1),
            take(_mm512_maskz_loadu_epi8(first_bytes((count * static_cast<std::size_t>(bits) + 7) / 8), in)));
}

}  // namespace flash::lattice::kernels
