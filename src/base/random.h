// Random bits: AES-256 in counter mode under a key derived from a seed, a domain label and indices.
// Secret streams start from the operating system's entropy (SecretSeed::generate); public streams (the `a` halves of
// ciphertexts) start from a public seed that both parties know. The domain label keeps streams of different uses apart.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>

#include "base/secret.h"

namespace flash {

/// 256-bit public seed; both parties may know it.
using PublicSeed = std::array<std::uint8_t, 32>;

/// Fresh public seed from the operating system.
PublicSeed generate_public_seed();

/// Generator of independent uniform bits. Not shared between threads; derive one per task instead, by index.
class Prng {
public:
    /// Secret stream. The key is HMAC-SHA256(seed, domain || 0 || indices); it is wiped with the object.
    Prng(const SecretSeed& seed, std::string_view domain, std::initializer_list<std::uint64_t> indices = {});
    /// Public stream, same derivation.
    Prng(const PublicSeed& seed, std::string_view domain, std::initializer_list<std::uint64_t> indices = {});
    ~Prng();
    Prng(Prng&&) noexcept;
    Prng& operator=(Prng&&) noexcept;

    void fill(std::span<std::uint8_t> out);
    /// Fills with uniform words; the fast path for polynomials.
    void fill_u32(std::span<std::uint32_t> out);
    void fill_u64(std::span<std::uint64_t> out);
    std::uint32_t u32();
    std::uint64_t u64();
    /// Uniform in [0, bound), 0 < bound <= 2^63, by rejection. Only rejected (discarded) draws influence the running time.
    std::uint64_t below(std::uint64_t bound);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace flash
