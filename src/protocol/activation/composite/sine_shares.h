// The shares of a sine: what is beside the factors of model/sine.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace flash::protocol {

/// Products: so many vectors of the server, and of the client.
inline constexpr int kSineProducts = 2;

/// share + offset mod T, in place, for |offset| < T < 2^28: the server's constant, which is no part of the products so
/// that the padding of maps stays zero. No comparison, as it could become a branch on a secret.
inline void add_offset(std::span<std::uint32_t> share, std::span<const std::int32_t> offset, std::uint32_t modulus) {
    const auto lift = [modulus](std::uint32_t x) { return x + (modulus & (0u - (x >> 31))); };  // T, if x is negative
    for (std::size_t i = 0; i < share.size(); ++i)
        share[i] = lift(share[i] + lift(static_cast<std::uint32_t>(offset[i])) - modulus);
}

}  // namespace flash::protocol
