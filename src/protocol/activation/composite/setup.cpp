#include "protocol/activation/composite/setup.h"

#include "base/bytes.h"

namespace flash::protocol {

std::size_t setup_bytes(const scheme::CompositeRing& ring) { return sizeof(PublicSeed) + ring.ciphertext_bytes(); }

std::vector<std::uint8_t> encode(const CompositeSetup& setup) {
    ByteWriter writer;
    writer.raw(setup.server_seed);
    writer.raw(setup.public_key);
    return writer.take();
}

CompositeSetup decode_setup(std::span<const std::uint8_t> payload, const scheme::CompositeRing& ring) {
    ByteReader reader(payload, "start reply");
    CompositeSetup setup;
    setup.server_seed = reader.array<sizeof(PublicSeed)>();
    const auto key = reader.raw(ring.ciphertext_bytes());
    setup.public_key.assign(key.begin(), key.end());
    reader.end();
    return setup;
}

PublicSeed decode_nonce(std::span<const std::uint8_t> start) {
    ByteReader reader(start, "start");
    const PublicSeed nonce = reader.array<sizeof(PublicSeed)>();
    reader.end();
    return nonce;
}

}  // namespace flash::protocol
