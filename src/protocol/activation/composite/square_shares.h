// The share arithmetic of the quadratic activation: what each party derives from its share of a pre-activation.
// docs/protocol.md, "The activation". With U_c + U_s = X + 2^(m-2) mod 2^m and one guard bit free,
//     A = U_c - 2^m - 2^(m-2),   B = U_s,   p = [U_c < 2^(m-1)],   w = [U_s < 2^(m-1)]
//     X = A + B + 2^m p w                                                    over the integers, and therefore
//     X^2 + kappa X + offset = A E1 + p E2 + (pA) E3 + A^2     + B^2 + kappa B + offset
//     E1 = 2B + kappa,   E2 = w (2^(m+1) B + 2^(2m) + kappa 2^m),   E3 = w 2^(m+1)
// Every function runs in time independent of the values: comparisons are arithmetic, not branches.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/instruction_set.h"

namespace flash::protocol {

/// Products: so many vectors of the server, and of the client.
inline constexpr int kSquareProducts = 3;

/// Where the vectors go: one array for each product.
using SquareVectors = std::array<std::span<std::uint32_t>, kSquareProducts>;

/// E1, E2, E3 mod T for consecutive elements. kappa has one entry per element. Here and below: share_bits at most 16,
/// so that every value is below 2^49 in size, modulus below 2^28, and all arrays of one size; Error(kInternal)
/// otherwise.
void server_vectors(std::span<const std::uint32_t> shares, std::span<const std::int32_t> kappa, int share_bits,
                    std::uint32_t modulus, const SquareVectors& vectors, InstructionSet set = best_instruction_set());

/// A, p, pA mod T, and addend = A^2 mod T, which is the client's own part of its share of the activation.
void client_vectors(std::span<const std::uint32_t> shares, int share_bits, std::uint32_t modulus,
                    const SquareVectors& vectors, std::span<std::uint32_t> addend,
                    InstructionSet set = best_instruction_set());

/// The server's share of the activation: product + B^2 + kappa B + offset mod T, in place on `product`.
void finish_server_share(std::span<std::uint32_t> product, std::span<const std::uint32_t> shares,
                         std::span<const std::int32_t> kappa, std::span<const std::int32_t> offset,
                         std::uint32_t modulus, InstructionSet set = best_instruction_set());

}  // namespace flash::protocol
