#include <cstring>

#include "lattice/kernels/sampling.h"
#include "lattice/modulus.h"

namespace flash::lattice::kernels {

void ternary_portable(const std::uint64_t* words, std::size_t count, std::int8_t* out) {
    for (std::size_t i = 0; i < count; i += 4) {
        std::uint64_t fraction = words[i / 4];
        for (std::size_t j = i; j < i + 4 && j < count; ++j) {
            const u128 digit = static_cast<u128>(fraction) * 3;
            out[j] = static_cast<std::int8_t>(static_cast<int>(digit >> 64) - 1);
            fraction = static_cast<std::uint64_t>(digit);
        }
    }
}

void error_portable(const std::uint8_t* bytes, std::size_t count, std::int8_t* out) {
    // Both numbers are counted side by side. No popcount instruction is assumed, and the compiler's substitute uses a
    // table.
    for (std::size_t i = 0; i < count; ++i) {
        std::uint64_t x;
        std::memcpy(&x, bytes + i * kErrorBytes, sizeof x);
        x = (x & 0xffffff) | (x >> 24) << 32;
        x &= kErrorMask;
        x -= (x >> 1) & 0x5555555555555555;
        x = (x & 0x3333333333333333) + ((x >> 2) & 0x3333333333333333);
        x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
        x += x >> 8;
        x += x >> 16;
        out[i] = static_cast<std::int8_t>(static_cast<int>(x & 0x3f) - static_cast<int>((x >> 32) & 0x3f));
    }
}

std::size_t accept64_portable(const std::uint8_t* bytes, std::size_t count, std::size_t width, std::uint64_t mask,
                              std::uint64_t bound, std::uint64_t* out) {
    std::size_t accepted = 0;
    for (std::size_t i = 0; i < count; ++i) {
        std::uint64_t value;
        std::memcpy(&value, bytes + i * width, sizeof value);
        value &= mask;
        out[accepted] = value;
        accepted += value < bound;
    }
    return accepted;
}

}  // namespace flash::lattice::kernels
