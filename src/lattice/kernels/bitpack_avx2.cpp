// Eight values take exactly `bits` bytes, so every group of eight (and of four, if the width is even) starts at a byte,
// and the byte and the shift of each of its values are the same in all groups.
#include <immintrin.h>

#include "lattice/kernels/bitpack.h"

namespace flash::lattice::kernels {

namespace {

/// Four of the eight values of a group, from value `first` on.
struct Quarter {
    __m256i offsets, shifts;
    Quarter(int bits, int first) {
        const __m256i start =
            _mm256_mul_epu32(_mm256_setr_epi64x(first, first + 1, first + 2, first + 3), _mm256_set1_epi64x(bits));
        offsets = _mm256_srli_epi64(start, 3);
        shifts = _mm256_and_si256(start, _mm256_set1_epi64x(7));
    }
    __m256i take(const std::uint8_t* group, __m256i mask) const {
        // The addresses depend on the width only.
        const __m256i x = _mm256_i64gather_epi64(reinterpret_cast<const long long*>(group), offsets, 1);
        return _mm256_and_si256(_mm256_srlv_epi64(x, shifts), mask);
    }
};

/// Whole groups whose last eight-byte load ends within `size` bytes.
inline std::size_t whole_groups(std::size_t count, int bits) {
    const std::size_t width = static_cast<std::size_t>(bits), size = (count * width + 7) / 8, reach = 7 * width / 8 + 8;
    std::size_t groups = count / 8;
    while (groups && (groups - 1) * width + reach > size) --groups;
    return groups;
}

/// Packs four lanes of `bits` bits, an even number from 32 on: each word of 64 bits of the result meets at most three
/// of them.
class Joiner {
public:
    explicit Joiner(int bits) {
        alignas(32) std::uint64_t first[4], skipped[4];
        for (std::uint64_t j = 0; j < 4; ++j) {
            first[j] = 64 * j / static_cast<std::uint64_t>(bits);
            skipped[j] = 64 * j % static_cast<std::uint64_t>(bits);
        }
        const __m256i lane = _mm256_load_si256(reinterpret_cast<const __m256i*>(first));
        const __m256i start = _mm256_load_si256(reinterpret_cast<const __m256i*>(skipped));
        for (int part = 0; part < 3; ++part) {
            const __m256i number = _mm256_add_epi64(lane, _mm256_set1_epi64x(part));
            // Lanes beyond the fourth do not exist: a shift by 64 or more gives zero.
            const __m256i beyond =
                _mm256_and_si256(_mm256_cmpgt_epi64(number, _mm256_set1_epi64x(3)), _mm256_set1_epi64x(1024));
            const __m256i halves = _mm256_slli_epi64(number, 1);
            index_[part] =
                _mm256_or_si256(halves, _mm256_slli_epi64(_mm256_add_epi64(halves, _mm256_set1_epi64x(1)), 32));
            const __m256i shift = part == 0 ? start : _mm256_sub_epi64(_mm256_set1_epi64x(part * bits), start);
            shift_[part] = _mm256_or_si256(shift, beyond);
        }
    }
    __m256i join(__m256i lanes) const {
        const __m256i first = _mm256_srlv_epi64(_mm256_permutevar8x32_epi32(lanes, index_[0]), shift_[0]);
        const __m256i second = _mm256_sllv_epi64(_mm256_permutevar8x32_epi32(lanes, index_[1]), shift_[1]);
        const __m256i third = _mm256_sllv_epi64(_mm256_permutevar8x32_epi32(lanes, index_[2]), shift_[2]);
        return _mm256_or_si256(first, _mm256_or_si256(second, third));
    }

private:
    __m256i index_[3], shift_[3];
};

}  // namespace

void unpack_avx2(const std::uint8_t* in, int bits, std::uint64_t* out, std::size_t count) {
    const Quarter low(bits, 0), high(bits, 4);
    const __m256i mask = _mm256_set1_epi64x(static_cast<long long>(~std::uint64_t{0} >> (64 - bits)));
    const std::size_t groups = whole_groups(count, bits);
    for (std::size_t g = 0; g < groups; ++g, in += bits, out += 8) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), low.take(in, mask));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 4), high.take(in, mask));
    }
    unpack_portable(in, bits, out, count - 8 * groups);
}

void unpack_avx2(const std::uint8_t* in, int bits, std::uint32_t* out, std::size_t count) {
    const Quarter low(bits, 0), high(bits, 4);
    const __m256i mask = _mm256_set1_epi64x(static_cast<long long>(~std::uint64_t{0} >> (64 - bits)));
    const std::size_t groups = whole_groups(count, bits);
    for (std::size_t g = 0; g < groups; ++g, in += bits, out += 8) {
        const __m256i x = low.take(in, mask), y = high.take(in, mask);
        const __m256i even =
            _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(x), _mm256_castsi256_ps(y), 0x88));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permute4x64_epi64(even, 0xd8));
    }
    unpack_portable(in, bits, out, count - 8 * groups);
}

// The whole register is stored while 32 bytes are left; the zeros beyond the group are overwritten by the next.

void pack_avx2(const std::uint64_t* in, std::size_t count, int bits, std::uint8_t* out) {
    if (bits < 32 || bits % 2) return pack_portable(in, count, bits, out);
    const Joiner joiner(bits);
    const __m256i mask = _mm256_set1_epi64x(static_cast<long long>(~std::uint64_t{0} >> (64 - bits)));
    const std::size_t step = static_cast<std::size_t>(bits) / 2;
    std::size_t left = (count * static_cast<std::size_t>(bits) + 7) / 8;
    for (; count >= 4 && left >= 32; count -= 4, left -= step, in += 4, out += step)
        _mm256_storeu_si256(
            reinterpret_cast<__m256i*>(out),
            joiner.join(_mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(in)), mask)));
    pack_portable(in, count, bits, out);
}

void pack_avx2(const std::uint32_t* in, std::size_t count, int bits, std::uint8_t* out) {
    if (bits < 16) return pack_portable(in, count, bits, out);
    const Joiner joiner(2 * bits);
    const __m256i mask = _mm256_set1_epi64x(static_cast<long long>(~std::uint64_t{0} >> (64 - bits)));
    const __m128i shift = _mm_cvtsi32_si128(bits);
    const std::size_t step = static_cast<std::size_t>(bits);
    std::size_t left = (count * step + 7) / 8;
    for (; count >= 8 && left >= 32; count -= 8, left -= step, in += 8, out += step) {
        // Neighbours as one lane of twice the width.
        const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in));
        const __m256i high = _mm256_and_si256(_mm256_srli_epi64(words, 32), mask);
        const __m256i pairs = _mm256_or_si256(_mm256_and_si256(words, mask), _mm256_sll_epi64(high, shift));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), joiner.join(pairs));
    }
    pack_portable(in, count, bits, out);
}

}  // namespace flash::lattice::kernels
