#include "lattice/sampling.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "lattice/secret_array.h"
#include "lattice/security.h"

namespace flash::lattice {

// The table of security.h assumes sigma = 3.2: variance 21 / 2 must not be below 3.2^2.
static_assert(kErrorBits / 2.0 >= kErrorSigma * kErrorSigma);

void sample_uniform(Prng& rng, const Modulus& modulus, std::span<std::uint64_t> out) {
    const std::uint64_t p = modulus.value(), mask = (std::uint64_t{1} << modulus.bits()) - 1;
    std::size_t filled = 0;
    while (filled < out.size()) {
        // Draw exactly the missing number, compact the accepted ones to the front, repeat for the rejected.
        std::span<std::uint64_t> rest = out.subspan(filled);
        rng.fill_u64(rest);
        for (std::uint64_t word : rest) {
            const std::uint64_t value = word & mask;
            out[filled] = value;
            filled += value < p;
        }
    }
}

namespace {

constexpr std::size_t kChunk = 512;  // words of randomness at a time, on the stack

}  // namespace

void sample_ternary(Prng& rng, std::span<std::int8_t> out) {
    SecretArray<std::uint64_t, kChunk> words;
    for (std::size_t done = 0; done < out.size();) {
        const std::size_t count = std::min(out.size() - done, 4 * kChunk);
        rng.fill_u64(words.first((count + 3) / 4));
        for (std::size_t i = 0; i < count; i += 4) {
            std::uint64_t fraction = words[i / 4];
            for (std::size_t j = i; j < std::min(i + 4, count); ++j) {
                const u128 digit = static_cast<u128>(fraction) * 3;
                out[done + j] = static_cast<std::int8_t>(static_cast<int>(digit >> 64) - 1);
                fraction = static_cast<std::uint64_t>(digit);
            }
        }
        done += count;
    }
}

void sample_error(Prng& rng, std::span<std::int8_t> out) {
    // Both halves of a word are counted side by side. No popcount instruction is assumed, and the compiler's substitute uses a table.
    constexpr std::uint64_t kHalf = (std::uint64_t{1} << kErrorBits) - 1, kMask = kHalf << 32 | kHalf;
    SecretArray<std::uint64_t, kChunk> words;
    for (std::size_t done = 0; done < out.size();) {
        const std::size_t count = std::min(out.size() - done, kChunk);
        rng.fill_u64(words.first(count));
        for (std::size_t i = 0; i < count; ++i) {
            std::uint64_t x = words[i] & kMask;
            x -= (x >> 1) & 0x5555555555555555;
            x = (x & 0x3333333333333333) + ((x >> 2) & 0x3333333333333333);
            x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
            x += x >> 8;
            x += x >> 16;
            out[done + i] = static_cast<std::int8_t>(static_cast<int>(x & 0x3f) - static_cast<int>((x >> 32) & 0x3f));
        }
        done += count;
    }
}

void sample_flooding(Prng& rng, int log_bound, const Modulus& first, const Modulus& second,
                     std::span<std::uint64_t> out_first, std::span<std::uint64_t> out_second) {
    require(log_bound >= 0 && log_bound <= 126 && out_first.size() == out_second.size(), ErrorKind::kInternal,
            "flooding noise: bound or sizes out of range");
    // A uniform (log_bound + 1)-bit integer minus 2^log_bound.
    const u128 bound = u128{1} << log_bound, mask = 2 * bound - 1;
    const std::uint64_t bound_first = first.reduce(bound), bound_second = second.reduce(bound);
    SecretArray<std::uint64_t, kChunk> words;
    for (std::size_t done = 0; done < out_first.size();) {
        const std::size_t count = std::min(out_first.size() - done, kChunk / 2);
        rng.fill_u64(words.first(2 * count));
        for (std::size_t i = 0; i < count; ++i) {
            const u128 value = (static_cast<u128>(words[2 * i + 1]) << 64 | words[2 * i]) & mask;
            out_first[done + i] = first.subtract(first.reduce(value), bound_first);
            out_second[done + i] = second.subtract(second.reduce(value), bound_second);
        }
        done += count;
    }
}

}  // namespace flash::lattice
