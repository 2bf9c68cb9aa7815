// What keys of their own for every depth cost: a value that is read at several depths is uploaded once for each.
#pragma once

#include <cstdint>

#include "model/model.h"

namespace flash::planner {

/// Bytes of one inference in both directions, packed for the fewest.
struct KeyBytes {
    std::uint64_t levelled = 0;  ///< with a key for each depth
    std::uint64_t trusting = 0;  ///< with one key for all (Architecture::trust_server)
    std::uint64_t saved() const { return levelled > trusting ? levelled - trusting : 0; }
    /// Of all bytes with a key for each depth.
    double share() const { return levelled > 0 ? static_cast<double>(saved()) / static_cast<double>(levelled) : 0; }
};

/// Of a model, whichever keys it has. Layers stay in the large ring if the model is in it alone.
KeyBytes key_bytes(const model::Model& model);

}  // namespace flash::planner
