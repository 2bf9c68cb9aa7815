// The shares of a pre-activation that a linear layer leaves (docs/protocol.md, "Linear layers"): with V = X + 2^(m-2),
// U_c + U_s = V mod 2^m, each the top m bits of what a party has.
#pragma once

#include <cstdint>

namespace flash::protocol {

/// The server's share of V = X + 2^(m-2): the top m bits of -rho + q/4 + one unit. The unit makes the sum of the two
/// truncated shares round without bias: X is the floor or the ceiling of its exact value, each with the right
/// probability.
constexpr std::uint32_t server_pre_activation(std::uint32_t rho, int share_bits) {
    const std::uint32_t unit = std::uint32_t{1} << (32 - share_bits);
    return (0u - rho + (std::uint32_t{1} << 30) + unit) >> (32 - share_bits);
}

/// The client's share of V: the top m bits of the decrypted phase.
constexpr std::uint32_t client_pre_activation(std::uint32_t phase, int share_bits) {
    return phase >> (32 - share_bits);
}

/// X from both shares: used for the result layer (by the client) and by tests.
constexpr std::int32_t reconstruct(std::uint32_t client, std::uint32_t server, int share_bits) {
    const std::uint32_t v = (client + server) & ((std::uint32_t{1} << share_bits) - 1);
    return static_cast<std::int32_t>(v) - (std::int32_t{1} << (share_bits - 2));
}

}  // namespace flash::protocol
