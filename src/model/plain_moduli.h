// The plaintext moduli of activation values: k primes T_1 > T_2 > ... > T_k, = 1 mod 2n and close below 2^b, so that
// one slot of a ring of degree n holds k values, one modulo each. All values of a channel live modulo one of them.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace flash::model {

inline constexpr std::array<int, 3> kSlotDegrees{4096, 8192, 16384};
inline constexpr int kMaxSlotModuli = 7;
inline constexpr int kMinPlainBits = 20, kMaxPlainBits = 28;

/// How activation values lie in slots. Public.
struct SlotChoice {
    int degree = 4096;  ///< n, one of kSlotDegrees
    int moduli = 1;     ///< k, values in a slot: 1 to kMaxSlotModuli
    bool operator==(const SlotChoice&) const = default;
};

/// Whether there are k such primes between 7/8 of 2^b and 2^b. Primes further below would waste slots: a range must fit
/// the smallest of them.
bool has_plain_moduli(const SlotChoice& slots, int plain_bits);
/// T_1, ..., T_k: the k largest primes = 1 mod 2n below 2^b, the largest first. Error(kInvalidArgument) unless
/// has_plain_moduli().
std::span<const std::uint32_t> plain_moduli(const SlotChoice& slots, int plain_bits);

/// Which of the k moduli the values of a channel live modulo: 0 for T_1. Neighbouring channels take turns, so the
/// groups of a value differ by one channel at most; which groups are larger by one changes from value to value, so that
/// over the layers each modulus gets about as many values.
constexpr int channel_group(int value, int channel, int moduli) { return (value + channel) % moduli; }

}  // namespace flash::model
