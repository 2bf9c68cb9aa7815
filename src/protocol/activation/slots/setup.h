// What the server of the slot scheme tells the client at the start of an inference (docs/formats.md, `start-reply`).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "scheme/parameters.h"

namespace flash::protocol {

struct SquareSlotsSetup {
    PublicSeed seed{};  ///< expands the `a` halves of the server's slot ciphertexts of this inference
    std::vector<std::uint8_t> public_key;
};

std::size_t setup_bytes(const scheme::SlotParameters& parameters);
std::vector<std::uint8_t> encode(const SquareSlotsSetup& setup);
/// Error(kProtocol) if it is not exactly as long as it should be.
SquareSlotsSetup decode_setup(std::span<const std::uint8_t> payload, const scheme::SlotParameters& parameters);

}  // namespace flash::protocol
