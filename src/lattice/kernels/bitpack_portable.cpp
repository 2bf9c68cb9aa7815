#include <bit>
#include <cstring>

#include "lattice/kernels/bitpack.h"

namespace flash::lattice::kernels {

namespace {

// Words are stored in the machine's order; a big-endian machine would have to swap.
static_assert(std::endian::native == std::endian::little);

template <class Word>
void pack_words(const Word* in, std::size_t count, int bits, std::uint8_t* out) {
    const std::uint64_t mask = ~std::uint64_t{0} >> (64 - bits);
    std::uint64_t buffer = 0;
    int filled = 0;  // bits in buffer, below 64
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t value = in[i] & mask;
        buffer |= value << filled;
        filled += bits;
        if (filled >= 64) {
            std::memcpy(out, &buffer, 8);
            out += 8;
            filled -= 64;
            buffer = filled ? value >> (bits - filled) : 0;
        }
    }
    if (filled) std::memcpy(out, &buffer, static_cast<std::size_t>(filled + 7) / 8);
}

template <class Word>
void unpack_words(const std::uint8_t* in, int bits, Word* out, std::size_t count) {
    const std::uint64_t mask = ~std::uint64_t{0} >> (64 - bits);
    const std::size_t width = static_cast<std::size_t>(bits), size = (count * width + 7) / 8;
    const auto extract = [&](const std::uint8_t* from, unsigned shift) {
        std::uint64_t low;
        std::memcpy(&low, from, 8);
        low >>= shift;
        // Widths above 57 may need a ninth byte; the double shift keeps shift = 0 defined.
        if (bits > 57) low |= static_cast<std::uint64_t>(from[8]) << 1 << (63 - shift);
        return static_cast<Word>(low & mask);
    };
    std::size_t i = 0, position = 0;
    for (; i < count && position / 8 + 9 <= size; ++i, position += width)
        out[i] = extract(in + position / 8, position % 8);
    // The last values: the same from a zero-extended copy of the last bytes.
    std::uint8_t tail[32] = {};
    const std::size_t start = position / 8;
    if (i < count) std::memcpy(tail, in + start, size - start);
    for (; i < count; ++i, position += width) out[i] = extract(tail + (position / 8 - start), position % 8);
}

}  // namespace

void pack_portable(const std::uint64_t* in, std::size_t count, int bits, std::uint8_t* out) {
    pack_words(in, count, bits, out);
}
void pack_portable(const std::uint32_t* in, std::size_t count, int bits, std::uint8_t* out) {
    pack_words(in, count, bits, out);
}
void unpack_portable(const std::uint8_t* in, int bits, std::uint64_t* out, std::size_t count) {
    unpack_words(in, bits, out, count);
}
void unpack_portable(const std::uint8_t* in, int bits, std::uint32_t* out, std::size_t count) {
    unpack_words(in, bits, out, count);
}

}  // namespace flash::lattice::kernels
