#include <cstring>

#include "lattice/kernels/sampling.h"

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

std::size_t accept32_portable(std::uint32_t* words, std::size_t count, std::uint32_t mask, std::uint32_t bound) {
    std::size_t accepted = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t value = words[i] & mask;
        words[accepted] = value;
        accepted += value < bound;
    }
    return accepted;
}

void centred_residues_portable(const std::uint8_t* bytes, std::size_t count, int bits, const Centring& centring,
                               std::uint64_t* out) {
    const Modulus modulus = centring.modulus;
    const std::size_t width = static_cast<std::size_t>(bits + 7) / 8;
    const u128 mask = ~u128{0} >> (128 - bits);
    for (std::size_t i = 0; i < count; ++i) {
        std::uint64_t halves[2];
        std::memcpy(halves, bytes + i * width, sizeof halves);
        const u128 value = (static_cast<u128>(halves[1]) << 64 | halves[0]) & mask;
        out[i] = modulus.subtract(modulus.reduce(value), centring.middle);
    }
}

}  // namespace flash::lattice::kernels
