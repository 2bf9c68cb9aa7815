// Loops over words mod 2^32. Every variant gives the same words, in time that depends on the count only.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flash::lattice::kernels {

/// out[i] += round(2^32 values[i] / d) for values below d, d odd (so there are no ties), 3 <= d < 2^31. Returns whether
/// all values are below d; if not, out is unspecified.
bool add_scaled_portable(const std::uint32_t* values, std::uint32_t d, std::uint32_t* out, std::size_t count);
bool add_scaled_avx2(const std::uint32_t* values, std::uint32_t d, std::uint32_t* out, std::size_t count);
bool add_scaled_avx512(const std::uint32_t* values, std::uint32_t d, std::uint32_t* out, std::size_t count);

/// out[i] += small[i].
void add_small_portable(const std::int8_t* small, std::uint32_t* out, std::size_t count);
void add_small_avx2(const std::int8_t* small, std::uint32_t* out, std::size_t count);
void add_small_avx512(const std::int8_t* small, std::uint32_t* out, std::size_t count);

/// words[i] = (words[i] + half) >> shift, 0 <= shift < 32.
void shift_right_portable(std::uint32_t* words, std::size_t count, std::uint32_t half, int shift);
void shift_right_avx2(std::uint32_t* words, std::size_t count, std::uint32_t half, int shift);
void shift_right_avx512(std::uint32_t* words, std::size_t count, std::uint32_t half, int shift);

/// out[i] += words[positions[i]].
void add_selected(const std::uint32_t* words, const std::uint16_t* positions, std::uint32_t* out, std::size_t count);
/// out[i] += x[i].
void add(const std::uint32_t* x, std::uint32_t* out, std::size_t count);
/// words[i] <<= bits, bits < 32.
void shift_left(std::uint32_t* words, std::size_t count, int bits);
/// All bits that occur in any of the values.
std::uint16_t bits_of_any(const std::uint16_t* values, std::size_t count);

}  // namespace flash::lattice::kernels
