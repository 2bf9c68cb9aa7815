#include "lattice/words.h"

#include "base/error.h"
#include "lattice/kernels/words.h"

namespace flash::lattice {

namespace {

template <class Kernel>
Kernel choose(InstructionSet set, Kernel portable, Kernel avx2, Kernel avx512) {
    return set >= InstructionSet::kAvx512 ? avx512 : set >= InstructionSet::kAvx2 ? avx2 : portable;
}

void check_bits(int bits) {
    require(bits >= 1 && bits <= 32, ErrorKind::kInternal, "top bits of a word: number of bits out of range");
}

}  // namespace

bool add_scaled(std::span<const std::uint32_t> values, std::uint32_t d, std::span<std::uint32_t> out, InstructionSet set) {
    require(values.size() == out.size() && d >= 3 && d < std::uint32_t{1} << 31 && d % 2 == 1, ErrorKind::kInternal,
            "scaling by 2^32 / d: sizes differ, or d is not odd and below 2^31");
    return choose(set, kernels::add_scaled_portable, kernels::add_scaled_avx2, kernels::add_scaled_avx512)(values.data(), d, out.data(),
                                                                                                           out.size());
}

void add_small(std::span<const std::int8_t> small, std::span<std::uint32_t> out, InstructionSet set) {
    require(small.size() == out.size(), ErrorKind::kInternal, "arrays of words of different sizes");
    choose(set, kernels::add_small_portable, kernels::add_small_avx2, kernels::add_small_avx512)(small.data(), out.data(), out.size());
}

void round_to_top_bits(std::span<std::uint32_t> words, int bits, InstructionSet set) {
    check_bits(bits);
    if (bits == 32) return;
    choose(set, kernels::shift_right_portable, kernels::shift_right_avx2, kernels::shift_right_avx512)(
        words.data(), words.size(), std::uint32_t{1} << (31 - bits), 32 - bits);
}

void from_top_bits(std::span<std::uint32_t> words, int bits) {
    check_bits(bits);
    for (std::uint32_t& word : words) word <<= 32 - bits;
}

}  // namespace flash::lattice
