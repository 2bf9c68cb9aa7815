// Eight values take exactly `bits` bytes, so every group of eight starts at a byte, and the byte and the shift of each
// of its values are the same in all groups.
#include <arm_neon.h>

#include <array>

#include "base/secret.h"
#include "lattice/kernels/bitpack.h"

namespace flash::lattice::kernels {

namespace {

/// Where the eight values of a group lie.
struct Group {
    std::array<std::size_t, 8> bytes;
    std::array<int64x2_t, 4> shifts;  ///< of two values each, to the right
    uint64x2_t mask;

    explicit Group(int bits) : mask(vdupq_n_u64(~std::uint64_t{0} >> (64 - bits))) {
        for (std::size_t i = 0; i < 8; ++i) {
            const std::size_t start = i * static_cast<std::size_t>(bits);
            bytes[i] = start / 8;
            shifts[i / 2][i % 2] = -static_cast<std::int64_t>(start % 8);
        }
    }
    /// Values 2 pair and 2 pair + 1.
    uint64x2_t take(const std::uint8_t* group, std::size_t pair) const {
        const uint64x1_t low = vreinterpret_u64_u8(vld1_u8(group + bytes[2 * pair])),
                         high = vreinterpret_u64_u8(vld1_u8(group + bytes[2 * pair + 1]));
        return vandq_u64(vshlq_u64(vcombine_u64(low, high), shifts[pair]), mask);
    }
};

/// Whole groups whose last eight-byte load ends within the packed bytes.
inline std::size_t whole_groups(std::size_t count, int bits) {
    const std::size_t width = static_cast<std::size_t>(bits), size = (count * width + 7) / 8, reach = 7 * width / 8 + 8;
    std::size_t groups = count / 8;
    while (groups && (groups - 1) * width + reach > size) --groups;
    return groups;
}

}  // namespace

void unpack_neon(const std::uint8_t* in, int bits, std::uint64_t* out, std::size_t count) {
    if (bits > kGatherBits) return unpack_portable(in, bits, out, count);
    const Group group(bits);
    const std::size_t groups = whole_groups(count, bits);
    for (std::size_t g = 0; g < groups; ++g, in += bits, out += 8)
        for (std::size_t pair = 0; pair < 4; ++pair) vst1q_u64(out + 2 * pair, group.take(in, pair));
    unpack_portable(in, bits, out, count - 8 * groups);
}

void unpack_neon(const std::uint8_t* in, int bits, std::uint32_t* out, std::size_t count) {
    const Group group(bits);
    const std::size_t groups = whole_groups(count, bits);
    for (std::size_t g = 0; g < groups; ++g, in += bits, out += 8) {
        vst1q_u32(out, vcombine_u32(vmovn_u64(group.take(in, 0)), vmovn_u64(group.take(in, 1))));
        vst1q_u32(out + 4, vcombine_u32(vmovn_u64(group.take(in, 2)), vmovn_u64(group.take(in, 3))));
    }
    unpack_portable(in, bits, out, count - 8 * groups);
}

/// Neighbours become one value of twice the width, so that there are half as many to be packed.
void pack_neon(const std::uint32_t* in, std::size_t count, int bits, std::uint8_t* out) {
    constexpr std::size_t kPairs = 64;
    std::uint64_t pairs[kPairs];
    const uint64x2_t mask = vdupq_n_u64(~std::uint64_t{0} >> (64 - bits));
    const int64x2_t shift = vdupq_n_s64(bits);
    for (; count >= 2 * kPairs; count -= 2 * kPairs, in += 2 * kPairs, out += 2 * kPairs / 8 * bits) {
        for (std::size_t i = 0; i < kPairs; i += 2) {
            const uint64x2_t words = vreinterpretq_u64_u32(vld1q_u32(in + 2 * i));
            const uint64x2_t high = vandq_u64(vshrq_n_u64(words, 32), mask);
            vst1q_u64(pairs + i, vorrq_u64(vandq_u64(words, mask), vshlq_u64(high, shift)));
        }
        pack_portable(pairs, kPairs, 2 * bits, out);
    }
    pack_portable(in, count, bits, out);
    wipe(pairs, sizeof pairs);  // they may be shares
}

}  // namespace flash::lattice::kernels
