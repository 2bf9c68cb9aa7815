// What Flash takes from a cryptographic library, besides TLS: one file of each platform implements this, together with
// Sha256Stream (base/hash.h) and kernels::aes256_ctr_portable. crypto_openssl.cpp is that of all but web pages.
#pragma once

#include <cstdint>
#include <span>

#include "base/kernels/aes_ctr.h"

namespace flash {

/// Error(kInternal) if it fails.
void hmac_sha256(std::span<const std::uint8_t> key, std::span<const std::uint8_t> message,
                 std::span<std::uint8_t, 32> out);

/// What the random bits are for: secret ones may come from a generator of their own.
enum class RandomUse { kPublic, kSecret };
/// Fresh bits from the operating system. Error(kInternal) if there are none.
void system_random(std::span<std::uint8_t> out, RandomUse use);

/// Completes a key for kernels::aes256_ctr_portable, as far as that needs it.
void aes256_expand_portable(kernels::AesKey& key);

}  // namespace flash
