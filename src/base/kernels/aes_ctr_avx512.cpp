#include <immintrin.h>

#include "base/kernels/aes_ctr.h"

namespace flash::kernels {

namespace {

constexpr int kRounds = 14, kVectors = 8;  // of four blocks each

/// One round key for each of four blocks.
inline __m512i round_key(const AesKey& key, int round) {
    return _mm512_maskz_broadcast_i32x4(0xffff,
                                        _mm_loadu_si128(reinterpret_cast<const __m128i*>(key.bytes + 16 * round)));
}

/// The key stream of 4 * kCount blocks. counter: four counters in a row, as little-endian numbers (index, block). The
/// round keys are read where they are: what does not fit in the registers of a copy would stay behind on the stack.
template <int kCount>
inline void encrypt(const AesKey& key, __m512i counter, __m512i* x) {
    const __m512i swap =
        _mm512_maskz_broadcast_i32x4(0xffff, _mm_setr_epi8(7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8));
    for (int i = 0; i < kCount; ++i) {
        const __m512i next = _mm512_add_epi64(counter, _mm512_maskz_broadcast_i32x4(0xffff, _mm_set_epi64x(4 * i, 0)));
        x[i] = _mm512_xor_si512(_mm512_shuffle_epi8(next, swap), round_key(key, 0));
    }
    for (int round = 1; round < kRounds; ++round) {
        const __m512i k = round_key(key, round);
        for (int i = 0; i < kCount; ++i) x[i] = _mm512_aesenc_epi128(x[i], k);
    }
    const __m512i last = round_key(key, kRounds);
    for (int i = 0; i < kCount; ++i) x[i] = _mm512_aesenclast_epi128(x[i], last);
}

}  // namespace

void aes256_ctr_avx512(const AesKey& key, std::uint64_t index, std::uint64_t block, std::uint8_t* out,
                       std::size_t blocks) {
    const auto first = static_cast<long long>(index), second = static_cast<long long>(block);
    __m512i counter = _mm512_add_epi64(_mm512_setr_epi64(first, second, first, second, first, second, first, second),
                                       _mm512_setr_epi64(0, 0, 0, 1, 0, 2, 0, 3));
    __m512i x[kVectors];
    for (; blocks >= 4 * kVectors; blocks -= 4 * kVectors, out += 64 * kVectors) {
        encrypt<kVectors>(key, counter, x);
        for (int i = 0; i < kVectors; ++i) _mm512_storeu_si512(out + 64 * i, x[i]);
        counter = _mm512_add_epi64(counter, _mm512_maskz_broadcast_i32x4(0xffff, _mm_set_epi64x(4 * kVectors, 0)));
    }
    for (; blocks; out += 64) {
        const std::size_t count = blocks < 4 ? blocks : 4;
        encrypt<1>(key, counter, x);
        _mm512_mask_storeu_epi64(out, static_cast<__mmask8>((1u << (2 * count)) - 1), x[0]);
        counter = _mm512_add_epi64(counter, _mm512_maskz_broadcast_i32x4(0xffff, _mm_set_epi64x(4, 0)));
        blocks -= count;
    }
}

}  // namespace flash::kernels
