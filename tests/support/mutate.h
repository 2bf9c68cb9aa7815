// Random damage to byte strings, for running fuzz targets in every build.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace flash::testing {

/// One to four changes: a byte overwritten, a bit flipped, the tail cut, a byte inserted or removed. Not for empty
/// inputs.
inline std::vector<std::uint8_t> mutated(std::vector<std::uint8_t> bytes, std::mt19937_64& rng) {
    const auto below = [&](std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(rng); };
    for (std::size_t count = 1 + below(4); count > 0 && !bytes.empty(); --count) {
        const std::size_t at = below(bytes.size());
        const auto position = bytes.begin() + static_cast<std::ptrdiff_t>(at);
        switch (below(5)) {
            case 0: bytes[at] = static_cast<std::uint8_t>(below(256)); break;
            case 1: bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1u << below(8))); break;
            case 2: bytes.erase(position, bytes.end()); break;
            case 3: bytes.insert(position, static_cast<std::uint8_t>(below(256))); break;
            default: bytes.erase(position); break;
        }
    }
    return bytes;
}

}  // namespace flash::testing
