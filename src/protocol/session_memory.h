// What one session holds in memory at each party, from the public plan and the number of this machine's cores: the
// buffers, shares, ciphertexts and queues of an inference, without the model, the program, and what the C library
// keeps. It follows the largest layer and what later layers still read, not the number of layers: queues and work ahead
// have bounds of their own (docs/security.md, invariant 5).
#pragma once

#include <cstdint>

#include "model/architecture.h"
#include "packing/plan.h"
#include "protocol/cost.h"

namespace flash::protocol {

struct SessionMemory {
    std::uint64_t server = 0, client = 0;  ///< bytes at most, with an honest peer of any speed
};
SessionMemory session_memory(const model::Architecture& architecture, const packing::Plan& plan,
                             const InferenceCost& cost);

}  // namespace flash::protocol
