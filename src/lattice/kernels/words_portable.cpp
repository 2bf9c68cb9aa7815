#include "lattice/kernels/words.h"
#include "lattice/modulus.h"

namespace flash::lattice::kernels {

bool add_scaled_portable(const std::uint32_t* values, std::uint32_t d, std::uint32_t* out, std::size_t count) {
    // floor((2^32 v + floor(d / 2)) / d) is the rounded quotient, as d is odd.
    const Divider by_d(d);
    std::uint32_t outside = 0;
    for (std::size_t i = 0; i < count; ++i) {
        outside |= static_cast<std::uint32_t>(values[i] >= d);
        out[i] += static_cast<std::uint32_t>(by_d.quotient((static_cast<std::uint64_t>(values[i]) << 32) + d / 2));
    }
    return outside == 0;
}

void add_small_portable(const std::int8_t* small, std::uint32_t* out, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) out[i] += static_cast<std::uint32_t>(static_cast<std::int32_t>(small[i]));
}

void shift_right_portable(std::uint32_t* words, std::size_t count, std::uint32_t half, int shift) {
    for (std::size_t i = 0; i < count; ++i) words[i] = (words[i] + half) >> shift;
}

void add_selected(const std::uint32_t* words, const std::uint16_t* positions, std::uint32_t* out, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) out[i] += words[positions[i]];
}

void add(const std::uint32_t* x, std::uint32_t* out, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) out[i] += x[i];
}

void shift_left(std::uint32_t* words, std::size_t count, int bits) {
    for (std::size_t i = 0; i < count; ++i) words[i] <<= bits;
}

std::uint16_t bits_of_any(const std::uint16_t* values, std::size_t count) {
    std::uint16_t bits = 0;
    for (std::size_t i = 0; i < count; ++i) bits = static_cast<std::uint16_t>(bits | values[i]);
    return bits;
}

}  // namespace flash::lattice::kernels
