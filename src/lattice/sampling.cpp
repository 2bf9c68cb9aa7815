#include "lattice/sampling.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "base/error.h"
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
    const auto accept = set >= InstructionSet::kAvx512 ? kernels::accept64_avx512 : kernels::accept64_portable;
    const std::size_t width = static_cast<std::size_t>(modulus.bits() + 7) / 8;
    const std::uint64_t mask = (std::uint64_t{1} << modulus.bits()) - 1;
    SecretArray<std::uint8_t, kChunkBytes + kernels::kSlack> bytes;
    while (!out.empty()) {
        // As many candidates as are missing, then as many as were rejected, and so on.
        const std::size_t count = chunk(out.size(), width);
        rng.fill(bytes.first(count * width));
        out = out.subspan(accept(bytes.data(), count, width, mask, modulus.value(), out.data()));
    }
}

void sample_residues(Prng& rng, std::uint32_t bound, std::span<std::uint32_t> out, InstructionSet set) {
    require(bound >= 2 && bound <= std::uint32_t{1} << 31, ErrorKind::kInternal,
            "uniform residues: bound out of range");
    const auto accept = set >= InstructionSet::kAvx512 ? kernels::accept32_avx512
                        : set >= InstructionSet::kAvx2 ? kernels::accept32_avx2
                                                       : kernels::accept32_portable;
    while (!out.empty()) {
        rng.fill_u32(out);
        out = out.subspan(accept(out.data(), out.size(), std::bit_ceil(bound) - 1, bound));
    }
}

void sample_ternary(Prng& rng, std::span<std::int8_t> out, InstructionSet set) {
    const auto convert = set >= InstructionSet::kAvx512 ? kernels::ternary_avx512
                         : set >= InstructionSet::kAvx2 ? kernels::ternary_avx2
                                                        : kernels::ternary_portable;
    SecretArray<std::uint64_t, kChunkBytes / 8> words;
    while (!out.empty()) {
        const std::size_t count = std::min(out.size(), 4 * words.size());
        rng.fill_u64(words.first((count + 3) / 4));
        convert(words.data(), count, out.data());
        out = out.subspan(count);
    }
}

void sample_error(Prng& rng, std::span<std::int8_t> out, InstructionSet set) {
    const auto convert = set >= InstructionSet::kAvx512 ? kernels::error_avx512
                         : set >= InstructionSet::kAvx2 ? kernels::error_avx2
                                                        : kernels::error_portable;
    SecretArray<std::uint8_t, kChunkBytes + kernels::kSlack> bytes;
    while (!out.empty()) {
        const std::size_t count = chunk(out.size(), kernels::kErrorBytes);
        rng.fill(bytes.first(count * kernels::kErrorBytes));
        convert(bytes.data(), count, out.data());
        out = out.subspan(count);
    }
}

void sample_flooding(Prng& rng, int log_bound, std::span<const Modulus> moduli,
                     std::span<const std::span<std::uint64_t>> out, InstructionSet set) {
    require(log_bound >= 0 && log_bound <= 126 && !out.empty() && moduli.size() == out.size(), ErrorKind::kInternal,
            "flooding noise: bound or number of primes out of range");
    const std::size_t total = out[0].size();
    for (const std::span<std::uint64_t>& part : out)
        require(part.size() == total, ErrorKind::kInternal, "flooding noise: sizes differ");
    // A uniform integer of log_bound + 1 bits less 2^log_bound.
    const int bits = log_bound + 1;
    const std::size_t width = static_cast<std::size_t>(bits + 7) / 8;
    std::vector<kernels::Centring> centrings;
    for (const Modulus& modulus : moduli) {
        const std::uint64_t p = modulus.value(), power = (std::uint64_t{1} << 52) % p;
        centrings.push_back({modulus, p, modulus.reduce(u128{1} << log_bound), power,
                             static_cast<std::uint64_t>((static_cast<u128>(power) << 52) / p),
                             (std::uint64_t{1} << 52) / p});
    }
    SecretArray<std::uint8_t, kChunkBytes + kernels::kSlack> bytes;
    for (std::size_t done = 0; done < total;) {
        const std::size_t count = chunk(total - done, width);
        rng.fill(bytes.first(count * width));
        for (std::size_t k = 0; k < out.size(); ++k) {
            const bool narrow = moduli[k].value() < kernels::kCentringLimit && bits <= kernels::kCentringBits;
            (set >= InstructionSet::kAvx512 && narrow
                 ? kernels::centred_residues_avx512
                 : kernels::centred_residues_portable)(bytes.data(), count, bits, centrings[k], out[k].data() + done);
        }
        done += count;
    }
}

}  // namespace flash::lattice
