// What a client demands of an architecture before it sends anything that depends on its picture or its keys. The
// architecture is the server's word: everything here follows from it and from the client's own tables.
#pragma once

#include "protocol/client_model.h"

namespace flash::protocol {

struct ClientPolicy {
    bool trust_server = false;     ///< accept models that are private from a server that follows the protocol only
    bool large_ring_only = false;  ///< refuse uploads in a small ring, whose security is less once somebody has worked
                                   ///< on a model's public polynomials for long
};

/// Error(kUnsupported) with what to do about it, if the model does not meet the policy or passes a cap. (Shapes, counts
/// and moduli: model::validate; the depths of keys and the ring of the picture: packing::make_plan.)
void check_policy(const ClientModel& model, const ClientPolicy& policy);

/// Of one inference, at most: keys, results, and bytes in both directions together.
inline constexpr std::size_t kMaxKeys = 1024;
inline constexpr std::int64_t kMaxResults = std::int64_t{1} << 20;
inline constexpr std::uint64_t kMaxInferenceBytes = std::uint64_t{1} << 34;

}  // namespace flash::protocol
