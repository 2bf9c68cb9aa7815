#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace flash {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::span<const std::uint8_t> data);
/// SHA-256 over the concatenation of length-prefixed parts, so that no two part lists collide.
Sha256 sha256_parts(std::initializer_list<std::span<const std::uint8_t>> parts);
/// Lower-case hexadecimal.
std::string to_hex(std::span<const std::uint8_t> bytes);

}  // namespace flash
