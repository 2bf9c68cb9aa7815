#include <immintrin.h>

#include "base/kernels/aes_ctr.h"

namespace flash::kernels {

namespace {

constexpr int kRounds = 14, kLanes = 8;

inline __m128i load(const std::uint8_t* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); }
inline void store(std::uint8_t* to, __m128i x) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), x); }

/// One step of the key expansion: every word of x becomes the sum of itself and all words before it, plus the word in
/// `mixed`.
inline __m128i chain(__m128i x, __m128i mixed) {
    x = _mm_xor_si128(x, _mm_slli_si128(x, 4));
    x = _mm_xor_si128(x, _mm_slli_si128(x, 8));
    return _mm_xor_si128(x, mixed);
}
/// Two round keys more: the even one from the rotated and substituted last word of the odd one, the odd one from the
/// substituted last word of the even one.
template <int kConstant>
inline void expand(__m128i& even, __m128i& odd, std::uint8_t* to) {
    even = chain(even, _mm_shuffle_epi32(_mm_aeskeygenassist_si128(odd, kConstant), 0xff));
    odd = chain(odd, _mm_shuffle_epi32(_mm_aeskeygenassist_si128(even, 0), 0xaa));
    store(to, even);
    store(to + 16, odd);
}

/// The key stream of `count` blocks, count a constant for the compiler, all in flight together. The round keys are read
/// where they are: a copy would not fit in the registers and stay behind on the stack.
template <int kCount>
inline void encrypt(const AesKey& key, __m128i counter, std::uint8_t* out) {
    const __m128i swap = _mm_setr_epi8(7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8);
    __m128i x[kCount];
    for (int i = 0; i < kCount; ++i)
        x[i] = _mm_xor_si128(_mm_shuffle_epi8(_mm_add_epi64(counter, _mm_set_epi64x(i, 0)), swap), load(key.bytes));
    for (int round = 1; round < kRounds; ++round) {
        const __m128i round_key = load(key.bytes + 16 * round);
        for (int i = 0; i < kCount; ++i) x[i] = _mm_aesenc_si128(x[i], round_key);
    }
    const __m128i last = load(key.bytes + 16 * kRounds);
    for (int i = 0; i < kCount; ++i) store(out + 16 * i, _mm_aesenclast_si128(x[i], last));
}

}  // namespace

void aes256_expand_avx2(AesKey& key) {
    __m128i even = load(key.bytes), odd = load(key.bytes + 16);
    expand<0x01>(even, odd, key.bytes + 32);
    expand<0x02>(even, odd, key.bytes + 64);
    expand<0x04>(even, odd, key.bytes + 96);
    expand<0x08>(even, odd, key.bytes + 128);
    expand<0x10>(even, odd, key.bytes + 160);
    expand<0x20>(even, odd, key.bytes + 192);
    store(key.bytes + 224, chain(even, _mm_shuffle_epi32(_mm_aeskeygenassist_si128(odd, 0x40), 0xff)));
}

void aes256_ctr_avx2(const AesKey& key, std::uint64_t index, std::uint64_t block, std::uint8_t* out,
                     std::size_t blocks) {
    __m128i counter = _mm_set_epi64x(static_cast<long long>(block), static_cast<long long>(index));
    for (; blocks >= kLanes; blocks -= kLanes, out += 16 * kLanes) {
        encrypt<kLanes>(key, counter, out);
        counter = _mm_add_epi64(counter, _mm_set_epi64x(kLanes, 0));
    }
    for (; blocks; --blocks, out += 16) {
        encrypt<1>(key, counter, out);
        counter = _mm_add_epi64(counter, _mm_set_epi64x(1, 0));
    }
}

}  // namespace flash::kernels
