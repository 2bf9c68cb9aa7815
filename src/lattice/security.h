// Largest log2(q) per ring dimension for 128-bit classical security with a uniform ternary secret and sigma = 3.2:
// "Security Guidelines for Implementing Homomorphic Encryption" (Bossuat et al., eprint 2024/463), table of ternary
// secrets. Parameters outside it do not compile or construct.
#pragma once

#include <cstddef>

namespace flash::lattice {

inline constexpr int kSecurityBits = 128;
inline constexpr double kErrorSigma = 3.2;

/// Largest modulus size in bits for ring dimension n; 0 where the table has no row.
constexpr int max_modulus_bits(std::size_t n) {
    switch (n) {
        case 1024: return 26;
        case 2048: return 53;
        case 4096: return 106;
        case 8192: return 214;
        case 16384: return 430;
        default: return 0;
    }
}

constexpr bool is_secure(std::size_t n, int modulus_bits) {
    return modulus_bits > 0 && modulus_bits <= max_modulus_bits(n);
}

/// Throws Error(kInvalidArgument) unless (n, modulus_bits) is in the table of 2024.
void require_secure(std::size_t n, int modulus_bits);

}  // namespace flash::lattice
