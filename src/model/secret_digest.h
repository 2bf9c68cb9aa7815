// SHA-256 of the bytes of the secret half of a model, layer by layer: those bytes are never in memory for the whole
// model.
#pragma once

#include <cstdint>
#include <span>

#include "base/hash.h"
#include "model/model.h"

namespace flash::model {

class SecretDigest {
public:
    /// Layers in their order.
    void add(const LayerWeights& layer);
    /// Once.
    Sha256 finish(std::span<const std::uint8_t> salt);

private:
    Sha256Stream hash_;
};

}  // namespace flash::model
