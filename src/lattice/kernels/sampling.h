// From random bits to samples. Every variant of a function gives the same values; none branches on an accepted value.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flash::lattice::kernels {

/// Functions that take bytes may read so many beyond the last one they need.
inline constexpr std::size_t kSlack = 128;

/// count digits in {-1, 0, 1}, four from each of the ceil(count / 4) words: the first digits of word / 2^64 in base 3,
/// less one.
void ternary_portable(const std::uint64_t* words, std::size_t count, std::int8_t* out);
void ternary_avx2(const std::uint64_t* words, std::size_t count, std::int8_t* out);
void ternary_neon(const std::uint64_t* words, std::size_t count, std::int8_t* out);
void ternary_avx512(const std::uint64_t* words, std::size_t count, std::int8_t* out);

/// One value from every six bytes, two little-endian numbers of 24 bits: the number of ones among the low 21 bits of
/// the first less that of the second.
inline constexpr std::size_t kErrorBytes = 6;
inline constexpr std::uint64_t kErrorMask = 0x001fffff001fffff;  // of the two numbers, as halves of a 64-bit word
void error_portable(const std::uint8_t* bytes, std::size_t count, std::int8_t* out);
void error_avx2(const std::uint8_t* bytes, std::size_t count, std::int8_t* out);
void error_neon(const std::uint8_t* bytes, std::size_t count, std::int8_t* out);
void error_avx512(const std::uint8_t* bytes, std::size_t count, std::int8_t* out);

/// Candidate i is the little-endian number in bytes [i * width, (i + 1) * width), 1 <= width <= 8, less the bits
/// outside mask. Writes the candidates below bound to out, in order, and returns their number. Writes nothing beyond
/// out[count - 1].
std::size_t accept64_portable(const std::uint8_t* bytes, std::size_t count, std::size_t width, std::uint64_t mask,
                              std::uint64_t bound, std::uint64_t* out);
std::size_t accept64_avx512(const std::uint8_t* bytes, std::size_t count, std::size_t width, std::uint64_t mask,
                            std::uint64_t bound, std::uint64_t* out);

}  // namespace flash::lattice::kernels
