#include "model/sine.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/siblings.h"
#include "model/kernels/sine.h"

namespace flash::model {
namespace {

/// What a party's share has beyond its angle, in units of 2^-16 of a period.
std::uint32_t start_of(ShareOf party) { return party == ShareOf::kServer ? 0u - 0x4000u : 0u; }

}  // namespace

void sine_factors(std::span<const std::uint32_t> shares, ShareOf party, int share_bits, int amplitude,
                  std::uint32_t modulus, std::span<std::uint32_t> sines, std::span<std::uint32_t> cosines,
                  InstructionSet set) {
    require(share_bits >= 2 && share_bits <= 16 && sines.size() == shares.size() && cosines.size() == shares.size() &&
                std::ranges::count(kAmplitudes, amplitude) == 1,
            ErrorKind::kInternal, "sines of shares: bits or amplitude out of range, or arrays of different sizes");
    // The portable one is compiled for the vectors that its target always has.
    const auto kernel = choose_sibling<kernels::SineFactors*>(set, {.portable = kernels::sine_factors_portable,
                                                                    .avx2 = FLASH_X86(kernels::sine_factors_avx2),
                                                                    .avx512 = FLASH_X86(kernels::sine_factors_avx512)});
    kernel(shares.data(), start_of(party), share_bits, amplitude, modulus, sines.data(), cosines.data(), shares.size());
}

std::int64_t sine_of_shares(std::uint32_t client, std::uint32_t server, int share_bits, int amplitude) {
    const std::uint32_t a = turn_of(client, share_bits), b = turn_of(server, share_bits) + start_of(ShareOf::kServer);
    const auto sine = [amplitude](std::uint32_t turn) { return std::int64_t{rounded_sine(turn, amplitude)}; };
    return sine(a) * sine(b + 0x4000u) + sine(a + 0x4000u) * sine(b);
}

double sine_bound(int amplitude) { return 2 * amplitude * std::sqrt(0.5) + 1.1; }

}  // namespace flash::model
