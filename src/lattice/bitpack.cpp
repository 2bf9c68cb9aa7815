#include "lattice/bitpack.h"

#include "base/error.h"
#include "base/siblings.h"
#include "lattice/kernels/bitpack.h"

namespace flash::lattice {

namespace {

template <class Word>
void check_width(int bits) {
    require(bits >= 1 && bits <= static_cast<int>(8 * sizeof(Word)), ErrorKind::kInternal,
            "bit packing: width out of range");
}

template <class Word>
void pack_words(std::span<const Word> in, int bits, std::span<std::uint8_t> out, InstructionSet set) {
    check_width<Word>(bits);
    require(out.size() == packed_bytes(in.size(), bits), ErrorKind::kInternal, "bit packing: wrong output size");
    using Kernel = void (*)(const Word*, std::size_t, int, std::uint8_t*);
    Kernel neon = nullptr;  // of narrow words, whose neighbours together fit in 64 bits
    if constexpr (sizeof(Word) == 4)
        if (bits >= 16) neon = FLASH_NEON(kernels::pack_neon);
    choose_sibling<Kernel>(set, {.portable = kernels::pack_portable,
                                 .neon = neon,
                                 .avx2 = FLASH_X86(kernels::pack_avx2),
                                 .avx512 = FLASH_X86(kernels::pack_avx512)})(in.data(), in.size(), bits, out.data());
}

template <class Word>
void unpack_words(std::span<const std::uint8_t> in, int bits, std::span<Word> out, InstructionSet set) {
    check_width<Word>(bits);
    require(in.size() == packed_bytes(out.size(), bits), ErrorKind::kProtocol, "a packed array has the wrong size");
    using Kernel = void (*)(const std::uint8_t*, int, Word*, std::size_t);
    if (set == InstructionSet::kAvx2 && bits > kernels::kGatherBits) set = InstructionSet::kPortable;
    choose_sibling<Kernel>(set, {.portable = kernels::unpack_portable,
                                 .neon = FLASH_NEON(kernels::unpack_neon),
                                 .avx2 = FLASH_X86(kernels::unpack_avx2),
                                 .avx512 = FLASH_X86(kernels::unpack_avx512)})(in.data(), bits, out.data(), out.size());
}

}  // namespace

std::size_t packed_bytes(std::size_t count, int bits) {
    const std::uint64_t values = count;  // a size has 32 bits in WebAssembly
    require(bits >= 1 && bits <= 64 && values <= std::uint64_t{std::size_t(-1) >> 8}, ErrorKind::kInternal,
            "bit packing: width or count out of range");
    return static_cast<std::size_t>((values * static_cast<std::uint64_t>(bits) + 7) / 8);
}

void pack(std::span<const std::uint64_t> in, int bits, std::span<std::uint8_t> out, InstructionSet set) {
    pack_words(in, bits, out, set);
}
void pack(std::span<const std::uint32_t> in, int bits, std::span<std::uint8_t> out, InstructionSet set) {
    pack_words(in, bits, out, set);
}
void unpack(std::span<const std::uint8_t> in, int bits, std::span<std::uint64_t> out, InstructionSet set) {
    unpack_words(in, bits, out, set);
}
void unpack(std::span<const std::uint8_t> in, int bits, std::span<std::uint32_t> out, InstructionSet set) {
    unpack_words(in, bits, out, set);
}

}  // namespace flash::lattice
