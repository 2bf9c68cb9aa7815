#include "protocol/activation/slots/setup.h"

#include "base/bytes.h"
#include "scheme/slots.h"

namespace flash::protocol {

std::size_t setup_bytes(const scheme::SlotParameters& parameters) {
    return sizeof(PublicSeed) + scheme::slot_public_key_bytes(parameters);
}

std::vector<std::uint8_t> encode(const SquareSlotsSetup& setup) {
    ByteWriter writer;
    writer.raw(setup.seed);
    writer.raw(setup.public_key);
    return writer.take();
}

SquareSlotsSetup decode_setup(std::span<const std::uint8_t> payload, const scheme::SlotParameters& parameters) {
    ByteReader reader(payload, "start reply");
    SquareSlotsSetup setup;
    setup.seed = reader.array<sizeof(PublicSeed)>();
    const auto key = reader.raw(scheme::slot_public_key_bytes(parameters));
    setup.public_key.assign(key.begin(), key.end());
    reader.end();
    return setup;
}

}  // namespace flash::protocol
