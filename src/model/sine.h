// The periodic activation: sines of integers, and what each party makes of its share.
//
// X counts in units of 2^-m of a period, so that only X mod 2^m matters: with w = 2 pi / 2^m, and U_c + U_s = X +
// 2^(m-2) as the linear layer leaves them (a quarter of a period, which B takes back),
//     A = U_c,   B = U_s - 2^(m-2),      sin(w X) = sin(w A) cos(w B) + cos(w A) sin(w B)   for any wrap of any share
//     Y = round(S sin(w A)) round(S cos(w B)) + round(S cos(w A)) round(S sin(w B)) + offset
// The phase of a channel's curve is in the bias of its layer, where it is rounded to 1/T of a period; its amplitude is
// in the weights of the layers that read Y. Both parties have the same S: of all pairs with one product it rounds best.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/instruction_set.h"

namespace flash::model {

/// The amplitudes S that a layer may have: half a bit apart. For these and for shares of up to 16 bits all factors are
/// exactly rounded; tests try each.
inline constexpr std::array<int, 19> kAmplitudes{8,   11,  16,  23,  32,   45,   64,   91,   128, 181,
                                                 256, 362, 512, 724, 1024, 1448, 2048, 2896, 4096};

/// 2^30 sin(2 pi turn / 2^16) to three units; turn counts mod 2^16. In time that does not depend on it: multiplications
/// and shifts of integers only. (Inlined always: the kernels' files are compiled for different processors.)
[[gnu::always_inline]] inline std::int32_t sine_of_turn(std::uint32_t turn) {
    // Of odd powers of x, a quarter of a period, in units of 2^-30: the interpolation of degree 11 at Chebyshev's
    // points.
    constexpr std::int32_t kFirst = 1686629713;
    constexpr std::int32_t kRest[] = {-693598666, 85569282, -5026892, 172072, -3685};
    // sin(pi - t) = sin t: what lies beyond a quarter on either side is folded back.
    const std::uint32_t beyond = 0u - ((turn + 0x4000u) >> 15 & 1u);
    const std::uint32_t folded = (turn ^ beyond) - beyond + (beyond & 0x8000u);
    const std::int32_t x = static_cast<std::int32_t>(folded << 16) >> 16;  // 2^14 is a quarter
    const std::int32_t z = x * x;                                          // at most 2^28, exact
    const auto step = [z](std::int32_t sum, std::int32_t coefficient) {
        const std::int64_t product = std::int64_t{sum} * z + (std::int64_t{1} << 27);
        return coefficient + static_cast<std::int32_t>(static_cast<std::uint64_t>(product) >> 28);
    };
    const std::int32_t p = step(step(step(step(step(kRest[4], kRest[3]), kRest[2]), kRest[1]), kRest[0]), kFirst);
    const std::int64_t sine = std::int64_t{p} * x + (std::int64_t{1} << 13);
    return static_cast<std::int32_t>(static_cast<std::uint64_t>(sine) >> 14);
}

/// round(amplitude sin(2 pi turn / 2^16)) for amplitudes up to 2^24; exactly rounded for those of kAmplitudes.
[[gnu::always_inline]] inline std::int32_t rounded_sine(std::uint32_t turn, std::int32_t amplitude) {
    const std::int64_t product = std::int64_t{sine_of_turn(turn)} * amplitude + (std::int64_t{1} << 29);
    return static_cast<std::int32_t>(static_cast<std::uint64_t>(product) >> 30);
}

/// X mod 2^m in units of 2^-16 of a period.
inline std::uint32_t turn_of(std::uint32_t x, int share_bits) { return x << (16 - share_bits); }

/// Whose share of a pre-activation it is: the server's has the quarter of a period in it that is to be taken back.
enum class ShareOf { kClient, kServer };

/// round(S sin) and round(S cos) of a party's shares of m bits, mod T. In constant time. amplitude: S, of kAmplitudes;
/// share_bits at most 16; all spans of one size: Error(kInternal) otherwise.
void sine_factors(std::span<const std::uint32_t> shares, ShareOf party, int share_bits, int amplitude,
                  std::uint32_t modulus, std::span<std::uint32_t> sines, std::span<std::uint32_t> cosines,
                  InstructionSet set = best_instruction_set());

/// Y of the protocol, offset 0, from both shares of a pre-activation.
std::int64_t sine_of_shares(std::uint32_t client, std::uint32_t server, int share_bits, int amplitude);
/// S^2 sin(w X), rounded: what Y is without the shares.
inline std::int64_t sine_curve(std::int64_t x, int share_bits, int amplitude) {
    return rounded_sine(turn_of(static_cast<std::uint32_t>(x), share_bits), amplitude * amplitude);
}
/// By how much the two differ at most: (S + S) sqrt(1/2) + 1/2 from the rounding of the four factors, and the rounding
/// of the curve to an integer.
double sine_bound(int amplitude);

}  // namespace flash::model
