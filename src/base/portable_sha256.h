// SHA-256 and HMAC without a cryptographic library: for platforms that OpenSSL does not come along to.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/secret.h"

namespace flash {

/// Of data that comes piece by piece. Wiped on destruction.
class PortableSha256 {
public:
    PortableSha256() = default;
    ~PortableSha256() { wipe(this, sizeof *this); }
    PortableSha256(const PortableSha256&) = delete;
    PortableSha256& operator=(const PortableSha256&) = delete;
    void add(std::span<const std::uint8_t> data);
    /// Of all that was added; once.
    std::array<std::uint8_t, 32> finish();

private:
    static constexpr std::size_t kBlock = 64;
    std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                           0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::array<std::uint8_t, kBlock> block_{};
    std::uint64_t bytes_ = 0;
};

/// HMAC-SHA256 (RFC 2104).
void portable_hmac_sha256(std::span<const std::uint8_t> key, std::span<const std::uint8_t> message,
                          std::span<std::uint8_t, 32> out);

}  // namespace flash
