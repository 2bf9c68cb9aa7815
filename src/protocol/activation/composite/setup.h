// What the parties of the composite scheme tell each other before anything else (docs/formats.md, `start` and
// `start-reply`): their halves of what all public `a` of the inference are hashed from, and the server's public key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "scheme/composite_ring.h"

namespace flash::protocol {

struct CompositeSetup {
    PublicSeed server_seed{};
    std::vector<std::uint8_t> public_key;
};

std::size_t setup_bytes(const scheme::CompositeRing& ring);
std::vector<std::uint8_t> encode(const CompositeSetup& setup);
/// Error(kProtocol) if it is not exactly as long as it should be.
CompositeSetup decode_setup(std::span<const std::uint8_t> payload, const scheme::CompositeRing& ring);

/// The client's half. Error(kProtocol) if it is not exactly as long as it should be.
PublicSeed decode_nonce(std::span<const std::uint8_t> start);

}  // namespace flash::protocol
