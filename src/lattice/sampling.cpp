#include "lattice/sampling.h"

#include <algorithm>

#include "base/siblings.h"
#include "lattice/kernels/sampling.h"
#include "lattice/secret_array.h"
#include "lattice/security.h"

namespace flash::lattice {

// The table of security.h assumes sigma = 3.2: variance 21 / 2 must not be below 3.2^2.
static_assert(kErrorBits / 2.0 >= kErrorSigma * kErrorSigma);
static_assert(kernels::kErrorMask == ((std::uint64_t{1} << kErrorBits) - 1) * 0x100000001);

namespace {

constexpr std::size_t kChunkBytes = 6144;  // of randomness at a time, on the stack

// How many samples of so many bytes to draw at a time: a multiple of 64 unless it is the rest.
std::size_t chunk(std::size_t missing, std::size_t bytes) { return std::min(missing, kChunkBytes / bytes / 64 * 64); }

}  // namespace

void sample_uniform(Prng& rng, const Modulus& modulus, std::span<std::uint64_t> out, InstructionSet set) {
    const auto accept = choose_sibling<decltype(&kernels::accept64_portable)>(
        set, {.portable = kernels::accept64_portable, .avx512 = FLASH_X86(kernels::accept64_avx512)});
    const std::size_t width = static_cast<std::size_t>(modulus.bits() + 7) / 8;
    const std::uint64_t mask = (std::uint64_t{1} << modulus.bits()) - 1;
    SecretArray<std::uint8_t, kChunkBytes + kernels::kSlack> bytes;
    while (!out.empty()) {
        // As many candidates as are missing, then as many as were rejected, and so on.
        const std::size_t count = chunk(out.size(), width);
        const auto drawn = bytes.first(count * width);
        rng.fill(drawn);
        out = out.subspan(accept(drawn.data(), count, width, mask, modulus.value(), out.data()));
    }
}

void sample_ternary(Prng& rng, std::span<std::int8_t> out, InstructionSet set) {
    const auto convert =
        choose_sibling<decltype(&kernels::ternary_portable)>(set, {.portable = kernels::ternary_portable,
                                                                   .neon = FLASH_NEON(kernels::ternary_neon),
                                                                   .avx2 = FLASH_X86(kernels::ternary_avx2),
                                                                   .avx512 = FLASH_X86(kernels::ternary_avx512)});
    SecretArray<std::uint64_t, kChunkBytes / 8> words;
    while (!out.empty()) {
        const std::size_t count = std::min(out.size(), 4 * words.size());
        const auto drawn = words.first((count + 3) / 4);
        rng.fill_u64(drawn);
        convert(drawn.data(), count, out.data());
        out = out.subspan(count);
    }
}

void sample_error(Prng& rng, std::span<std::int8_t> out, InstructionSet set) {
    const auto convert =
        choose_sibling<decltype(&kernels::error_portable)>(set, {.portable = kernels::error_portable,
                                                                 .neon = FLASH_NEON(kernels::error_neon),
                                                                 .avx2 = FLASH_X86(kernels::error_avx2),
                                                                 .avx512 = FLASH_X86(kernels::error_avx512)});
    SecretArray<std::uint8_t, kChunkBytes + kernels::kSlack> bytes;
    while (!out.empty()) {
        const std::size_t count = chunk(out.size(), kernels::kErrorBytes);
        const auto drawn = bytes.first(count * kernels::kErrorBytes);
        rng.fill(drawn);
        convert(drawn.data(), count, out.data());
        out = out.subspan(count);
    }
}

}  // namespace flash::lattice
