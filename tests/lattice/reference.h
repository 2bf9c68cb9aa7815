// Slow, obvious versions of what the lattice layer computes.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "lattice/modulus.h"

namespace flash::lattice::reference {

/// x * y mod (X^n + 1, p).
inline std::vector<std::uint64_t> negacyclic(const std::vector<std::uint64_t>& x, const std::vector<std::uint64_t>& y,
                                             std::uint64_t p) {
    const std::size_t n = x.size();
    std::vector<std::uint64_t> result(n);
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) {
            const std::uint64_t product = static_cast<std::uint64_t>(static_cast<u128>(x[i]) * y[j] % p);
            std::uint64_t& r = result[(i + j) % n];
            r = (r + (i + j < n ? product : p - product)) % p;
        }
    return result;
}

/// words * small mod (X^n + 1, 2^32).
template <class Small>
std::vector<std::uint32_t> negacyclic_words(const std::vector<std::uint32_t>& words, const Small& small) {
    const std::size_t n = words.size();
    std::vector<std::uint32_t> result(n);
    for (std::size_t j = 0; j < n; ++j) {
        const std::uint32_t factor = static_cast<std::uint32_t>(static_cast<std::int32_t>(small[j]));
        if (factor == 0) continue;
        for (std::size_t i = 0; i < n - j; ++i) result[i + j] += factor * words[i];
        for (std::size_t i = n - j; i < n; ++i) result[i + j - n] -= factor * words[i];
    }
    return result;
}

inline std::vector<std::uint64_t> random_residues(std::size_t n, std::uint64_t p, std::uint64_t seed) {
    std::mt19937_64 generator(seed);
    std::vector<std::uint64_t> values(n);
    for (std::uint64_t& v : values) v = generator() % p;
    return values;
}

inline std::vector<std::uint32_t> random_words(std::size_t n, std::uint64_t seed) {
    std::mt19937_64 generator(seed);
    std::vector<std::uint32_t> values(n);
    for (std::uint32_t& v : values) v = static_cast<std::uint32_t>(generator());
    return values;
}

}  // namespace flash::lattice::reference
