// Eight values take exactly `bits` bytes, so every group of eight starts at a byte, and the byte and the shift of each of its values
// are the same in all groups.
#include <immintrin.h>

#include "lattice/kernels/bitpack.h"

namespace flash::lattice::kernels {

namespace {

/// Four of the eight values of a group, from value `first` on.
struct Quarter {
    __m256i offsets, shifts;
    Quarter(int bits, int first) {
        const __m256i start = _mm256_mul_epu32(_mm256_setr_epi64x(first, first + 1, first + 2, first + 3), _mm256_set1_epi64x(bits));
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
        const __m256i even = _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(x), _mm256_castsi256_ps(y), 0x88));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permute4x64_epi64(even, 0xd8));
    }
    unpack_portable(in, bits, out, count - 8 * groups);
}

}  // namespace flash::lattice::kernels
