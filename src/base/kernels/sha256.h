// The compression of SHA-256 (FIPS 180-4).
#pragma once

#include <cstddef>
#include <cstdint>

namespace flash::kernels {

/// state: eight words; blocks of 64 bytes are worked into it. In time that depends on their number only.
void sha256_blocks(std::uint32_t* state, const std::uint8_t* data, std::size_t blocks);

}  // namespace flash::kernels
