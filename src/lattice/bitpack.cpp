#include "lattice/bitpack.h"

#include <bit>
#include <cstring>

#include "base/error.h"
#include "lattice/modulus.h"

namespace flash::lattice {

// Words are stored in the machine's order; a big-endian machine would have to swap.
static_assert(std::endian::native == std::endian::little);

namespace {

std::uint64_t low_bits(int bits) { return ~std::uint64_t{0} >> (64 - bits); }

template <class Word>
void check_width(int bits, ErrorKind kind) {
    require(bits >= 1 && bits <= static_cast<int>(8 * sizeof(Word)), kind, "bit packing: width out of range");
}

template <class Word>
void pack_words(std::span<const Word> in, int bits, std::span<std::uint8_t> out) {
    check_width<Word>(bits, ErrorKind::kInternal);
    require(out.size() == packed_bytes(in.size(), bits), ErrorKind::kInternal, "bit packing: wrong output size");
    const std::uint64_t mask = low_bits(bits);
    std::uint8_t* to = out.data();
    std::uint64_t buffer = 0;
    int filled = 0;  // bits in buffer, below 64
    for (Word word : in) {
        const std::uint64_t value = word & mask;
        buffer |= value << filled;
        filled += bits;
        if (filled >= 64) {
            std::memcpy(to, &buffer, 8);
            to += 8;
            filled -= 64;
            buffer = filled ? value >> (bits - filled) : 0;
        }
    }
    if (filled) std::memcpy(to, &buffer, static_cast<std::size_t>(filled + 7) / 8);
}

template <class Word>
void unpack_words(std::span<const std::uint8_t> in, int bits, std::span<Word> out) {
    check_width<Word>(bits, ErrorKind::kInternal);
    require(in.size() == packed_bytes(out.size(), bits), ErrorKind::kProtocol, "a packed array has the wrong size");
    const std::uint64_t mask = low_bits(bits);
    const auto extract = [&](const std::uint8_t* from, unsigned shift) {
        std::uint64_t low;
        std::memcpy(&low, from, 8);
        low >>= shift;
        // Widths above 57 may need a ninth byte; the double shift keeps shift = 0 defined.
        if (bits > 57) low |= static_cast<std::uint64_t>(from[8]) << 1 << (63 - shift);
        return static_cast<Word>(low & mask);
    };
    std::size_t i = 0, position = 0;
    for (; i < out.size() && position / 8 + 9 <= in.size(); ++i, position += static_cast<std::size_t>(bits))
        out[i] = extract(in.data() + position / 8, position % 8);
    // The last values: the same from a zero-extended copy of the last bytes.
    std::uint8_t tail[32] = {};
    const std::size_t start = position / 8;
    if (i < out.size()) std::memcpy(tail, in.data() + start, in.size() - start);
    for (; i < out.size(); ++i, position += static_cast<std::size_t>(bits))
        out[i] = extract(tail + (position / 8 - start), position % 8);
}

}  // namespace

std::size_t packed_bytes(std::size_t count, int bits) {
    require(bits >= 1 && bits <= 64 && count <= (std::size_t{1} << 56), ErrorKind::kInternal, "bit packing: width or count out of range");
    return (count * static_cast<std::size_t>(bits) + 7) / 8;
}

void pack(std::span<const std::uint64_t> in, int bits, std::span<std::uint8_t> out) { pack_words(in, bits, out); }
void pack(std::span<const std::uint32_t> in, int bits, std::span<std::uint8_t> out) { pack_words(in, bits, out); }
void unpack(std::span<const std::uint8_t> in, int bits, std::span<std::uint64_t> out) { unpack_words(in, bits, out); }
void unpack(std::span<const std::uint8_t> in, int bits, std::span<std::uint32_t> out) { unpack_words(in, bits, out); }

void round_to_top_bits(std::span<std::uint32_t> words, int bits) {
    check_width<std::uint32_t>(bits, ErrorKind::kInternal);
    if (bits == 32) return;
    const int low = 32 - bits;
    const std::uint32_t half = std::uint32_t{1} << (low - 1);
    for (std::uint32_t& word : words) word = (word + half) >> low;
}

void from_top_bits(std::span<std::uint32_t> words, int bits) {
    check_width<std::uint32_t>(bits, ErrorKind::kInternal);
    for (std::uint32_t& word : words) word <<= 32 - bits;
}

}  // namespace flash::lattice
