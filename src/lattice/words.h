// Operations on arrays of words mod 2^32, the coefficients of the linear layers. Time independent of the values; every
// instruction set gives the same words. Sizes that differ: Error(kInternal).
#pragma once

#include <cstdint>
#include <span>

#include "base/instruction_set.h"

namespace flash::lattice {

/// out += round(2^32 / d * values), exactly; d odd, 3 <= d < 2^31. Returns whether all values are below d (a public
/// answer); if not, out is unspecified.
[[nodiscard]] bool add_scaled(std::span<const std::uint32_t> values, std::uint32_t d, std::span<std::uint32_t> out,
                              InstructionSet set = best_instruction_set());

/// out += small.
void add_small(std::span<const std::int8_t> small, std::span<std::uint32_t> out,
               InstructionSet set = best_instruction_set());

/// Rounds each word to the nearest multiple of 2^(32 - bits) (ties up, wrapping) and shifts it down: a value in [0,
/// 2^bits). bits: 1..32; 32 changes nothing.
void round_to_top_bits(std::span<std::uint32_t> words, int bits, InstructionSet set = best_instruction_set());

/// Shifts values of `bits` bits back up: the inverse of round_to_top_bits up to the rounding.
void from_top_bits(std::span<std::uint32_t> words, int bits);

/// out += x.
void add(std::span<const std::uint32_t> x, std::span<std::uint32_t> out);

/// out[i] += words[positions[i]]. The positions are public; one at or beyond words.size(), a power of two:
/// Error(kInternal).
void add_selected(std::span<const std::uint32_t> words, std::span<const std::uint16_t> positions,
                  std::span<std::uint32_t> out);
/// Whether all positions are below size, a power of two.
bool all_positions_below(std::span<const std::uint16_t> positions, std::size_t size);

}  // namespace flash::lattice
