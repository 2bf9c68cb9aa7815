// The coefficients of a client's key, for tests that compare them with what an attack found.
#pragma once

#include <cstdint>
#include <vector>

#include "scheme/direct.h"

namespace flash::testing {

/// s, coefficient by coefficient: the phase of the ciphertext (1, 0).
inline std::vector<int> coefficients_of(const scheme::DirectSecretKey& key) {
    const std::size_t n = key.ring().degree;
    std::vector<std::uint32_t> a(n), b(n), phase(n);
    std::vector<std::uint16_t> positions(n);
    for (std::size_t i = 0; i < n; ++i) positions[i] = static_cast<std::uint16_t>(i);
    a[0] = std::uint32_t{1} << key.ring().low_bits();
    key.decrypt(a, positions, b, phase);
    std::vector<int> coefficients;
    for (const std::uint32_t word : phase)
        coefficients.push_back(static_cast<std::int32_t>(word) >> key.ring().low_bits());
    return coefficients;
}

}  // namespace flash::testing
