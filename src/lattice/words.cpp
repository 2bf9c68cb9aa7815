#include "lattice/words.h"

#include <bit>

#include "base/error.h"
#include "base/siblings.h"
#include "lattice/kernels/words.h"

namespace flash::lattice {

namespace {

void check_bits(int bits) {
    require(bits >= 1 && bits <= 32, ErrorKind::kInternal, "top bits of a word: number of bits out of range");
}

}  // namespace

bool add_scaled(std::span<const std::uint32_t> values, std::uint32_t d, std::span<std::uint32_t> out,
                InstructionSet set) {
    require(values.size() == out.size() && d >= 3 && d < std::uint32_t{1} << 31 && d % 2 == 1, ErrorKind::kInternal,
            "scaling by 2^32 / d: sizes differ, or d is not odd and below 2^31");
    return choose_sibling<decltype(&kernels::add_scaled_portable)>(
        set, {.portable = kernels::add_scaled_portable,
              .avx2 = FLASH_X86(kernels::add_scaled_avx2),
              .avx512 = FLASH_X86(kernels::add_scaled_avx512)})(values.data(), d, out.data(), out.size());
}

void add_small(std::span<const std::int8_t> small, std::span<std::uint32_t> out, InstructionSet set) {
    require(small.size() == out.size(), ErrorKind::kInternal, "arrays of words of different sizes");
    choose_sibling<decltype(&kernels::add_small_portable)>(set, {.portable = kernels::add_small_portable,
                                                                 .avx2 = FLASH_X86(kernels::add_small_avx2),
                                                                 .avx512 = FLASH_X86(kernels::add_small_avx512)})(
        small.data(), out.data(), out.size());
}

void round_to_top_bits(std::span<std::uint32_t> words, int bits, InstructionSet set) {
    check_bits(bits);
    if (bits == 32) return;
    choose_sibling<decltype(&kernels::shift_right_portable)>(set, {.portable = kernels::shift_right_portable,
                                                                   .avx2 = FLASH_X86(kernels::shift_right_avx2),
                                                                   .avx512 = FLASH_X86(kernels::shift_right_avx512)})(
        words.data(), words.size(), std::uint32_t{1} << (31 - bits), 32 - bits);
}

void from_top_bits(std::span<std::uint32_t> words, int bits) {
    check_bits(bits);
    if (bits < 32) kernels::shift_left(words.data(), words.size(), 32 - bits);
}

void add(std::span<const std::uint32_t> x, std::span<std::uint32_t> out) {
    require(x.size() == out.size(), ErrorKind::kInternal, "arrays of words of different sizes");
    kernels::add(x.data(), out.data(), out.size());
}

bool all_positions_below(std::span<const std::uint16_t> positions, std::size_t size) {
    require(std::has_single_bit(size), ErrorKind::kInternal, "positions in an array whose size is not a power of two");
    return kernels::bits_of_any(positions.data(), positions.size()) < size;
}

void add_selected(std::span<const std::uint32_t> words, std::span<const std::uint16_t> positions,
                  std::span<std::uint32_t> out) {
    require(positions.size() == out.size() && all_positions_below(positions, words.size()), ErrorKind::kInternal,
            "selected words: sizes differ, or a position is outside of the array");
    kernels::add_selected(words.data(), positions.data(), out.data(), out.size());
}

}  // namespace flash::lattice
