// The server's masks of linear results, and the shares that follow from them. They depend on nothing that the client
// sends, so both are known ahead of the results.
#pragma once

#include <cstdint>
#include <span>

#include "base/random.h"
#include "base/secret.h"
#include "model/architecture.h"
#include "packing/plan.h"

namespace flash::protocol {

inline constexpr const char* kResultMaskDomain = "server result mask";

/// The masks rho of one linear result polynomial, one word for each result that is sent, in the order of the message:
/// uniform, stream (layer, polynomial) of the key of kResultMaskDomain.
void result_mask(const StreamKey& masks, int layer, int polynomial, std::span<std::uint32_t> rho);

/// The server's shares U_s that follow from the masks of some results, stored at their elements.
void store_server_shares(std::span<const packing::ResultRun> runs, std::span<const std::uint32_t> rho, int share_bits,
                         std::span<std::uint32_t> shares);

/// The server's shares U_s of a whole layer.
SecretVector<std::uint32_t> server_shares_ahead(const StreamKey& masks, const model::Architecture& architecture,
                                                const packing::Plan& plan, int layer);

}  // namespace flash::protocol
