#include "model/secret_digest.h"

#include "model/weights_wire.h"

namespace flash::model {

void SecretDigest::add(const LayerWeights& layer) {
    write_layer(layer, [&](std::span<const std::uint8_t> bytes) { hash_.add(bytes); });
}

Sha256 SecretDigest::finish(std::span<const std::uint8_t> salt) {
    write_salt(salt, [&](std::span<const std::uint8_t> bytes) { hash_.add(bytes); });
    return hash_.finish();
}

}  // namespace flash::model
