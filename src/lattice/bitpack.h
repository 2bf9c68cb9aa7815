// Bit packing of the wire format.
// Value i of a packed array occupies bits [i * bits, (i + 1) * bits) of the byte string, least significant bit first;
// unused bits of the last byte are zero. Running times depend on counts and widths only, never on values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/instruction_set.h"

namespace flash::lattice {

/// Exact size of `count` values of `bits` bits (1 to 64): ceil(count * bits / 8).
std::size_t packed_bytes(std::size_t count, int bits);

/// Packs the low `bits` bits of every value; higher bits are ignored. bits: 1..64 (1..32 for 32-bit words).
/// out must have exactly packed_bytes(in.size(), bits) bytes; Error(kInternal) otherwise.
void pack(std::span<const std::uint64_t> in, int bits, std::span<std::uint8_t> out,
          InstructionSet set = best_instruction_set());
void pack(std::span<const std::uint32_t> in, int bits, std::span<std::uint8_t> out,
          InstructionSet set = best_instruction_set());

/// Inverse of pack for out.size() values. in must have exactly packed_bytes(out.size(), bits) bytes, else
/// Error(kProtocol): packed arrays come from the peer. Bits beyond the last value are ignored.
void unpack(std::span<const std::uint8_t> in, int bits, std::span<std::uint64_t> out,
            InstructionSet set = best_instruction_set());
void unpack(std::span<const std::uint8_t> in, int bits, std::span<std::uint32_t> out,
            InstructionSet set = best_instruction_set());

}  // namespace flash::lattice
