// Bit packing between arrays of words and byte strings (see lattice/bitpack.h). Sizes are exact: no variant reads or
// writes a byte outside of its arrays. All variants give the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flash::lattice::kernels {

/// in: count values, of which the low `bits` bits are packed; out: ceil(count * bits / 8) bytes. bits <= 8 *
/// sizeof(word).
void pack_portable(const std::uint64_t* in, std::size_t count, int bits, std::uint8_t* out);
void pack_portable(const std::uint32_t* in, std::size_t count, int bits, std::uint8_t* out);
/// Other widths than these go to the portable variant: 16 to 32 bits of a 32-bit word, even ones from 32 on of a 64-bit
/// word.
void pack_avx2(const std::uint64_t* in, std::size_t count, int bits, std::uint8_t* out);
void pack_avx2(const std::uint32_t* in, std::size_t count, int bits, std::uint8_t* out);
/// 16 to 32 bits.
void pack_neon(const std::uint32_t* in, std::size_t count, int bits, std::uint8_t* out);
void pack_avx512(const std::uint64_t* in, std::size_t count, int bits, std::uint8_t* out);
void pack_avx512(const std::uint32_t* in, std::size_t count, int bits, std::uint8_t* out);

/// in: ceil(count * bits / 8) bytes; out: count values.
void unpack_portable(const std::uint8_t* in, int bits, std::uint64_t* out, std::size_t count);
void unpack_portable(const std::uint8_t* in, int bits, std::uint32_t* out, std::size_t count);
/// Widths up to 57 bits of a 64-bit word; all of a 32-bit word.
inline constexpr int kGatherBits = 57;
void unpack_avx2(const std::uint8_t* in, int bits, std::uint64_t* out, std::size_t count);
void unpack_avx2(const std::uint8_t* in, int bits, std::uint32_t* out, std::size_t count);
void unpack_neon(const std::uint8_t* in, int bits, std::uint64_t* out, std::size_t count);
void unpack_neon(const std::uint8_t* in, int bits, std::uint32_t* out, std::size_t count);
void unpack_avx512(const std::uint8_t* in, int bits, std::uint64_t* out, std::size_t count);
void unpack_avx512(const std::uint8_t* in, int bits, std::uint32_t* out, std::size_t count);

}  // namespace flash::lattice::kernels
