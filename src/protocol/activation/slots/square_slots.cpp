#include "protocol/activation/slots/square_slots.h"

#include <algorithm>

#include "base/error.h"
#include "lattice/sampling.h"
#include "protocol/activation/slots/setup.h"
#include "protocol/activation/slots/square_shares.h"
#include "protocol/activation/slots/square_slots_client.h"
#include "protocol/activation/slots/square_slots_server.h"

namespace flash::protocol {

namespace {

ActivationSizes sizes_for(const scheme::SlotParameters& parameters) {
    ActivationSizes sizes;
    sizes.setup = setup_bytes(parameters);
    sizes.vectors = kSquareProducts * scheme::slot_ciphertext_bytes(parameters);
    sizes.answer = scheme::slot_response_bytes(parameters);
    sizes.prepared = scheme::prepared_response_bytes(parameters);
    sizes.values_per_chunk = scheme::kSlotDegree;
    sizes.products = kSquareProducts;
    return sizes;
}

}  // namespace

SquareSlots::SquareSlots(const model::Architecture& architecture, InstructionSet set)
    : Activation(sizes_for(scheme::slot_parameters(architecture.single_modulus())),
                 [&] {
                     std::vector<LayerChunks> chunks;
                     std::size_t vectors = 0;
                     for (const model::Layer& layer : architecture.layers) {
                         LayerChunks c;
                         c.first_vectors = vectors;
                         if (layer.activation)
                             c.chunks = (static_cast<std::size_t>(layer.output.size()) + scheme::kSlotDegree - 1) /
                                        scheme::kSlotDegree;
                         c.vectors_end = vectors += c.chunks;
                         chunks.push_back(c);
                     }
                     return chunks;
                 }()),
      parameters_(scheme::slot_parameters(architecture.single_modulus())),
      set_(set) {
    for (const model::Layer& layer : architecture.layers)
        layers_.push_back({static_cast<std::size_t>(layer.output.size()),
                           static_cast<std::size_t>(layer.output.height) * static_cast<std::size_t>(layer.output.width),
                           layer.share_bits});
}

std::size_t SquareSlots::values_in(int index, std::size_t chunk) const {
    return std::min(scheme::kSlotDegree, layer(index).values - first_value(chunk));
}

ChunkPart SquareSlots::part_at(int index, std::size_t element) const {
    const std::size_t chunk = element / scheme::kSlotDegree;
    return {chunk, first_value(chunk) + values_in(index, chunk) - element};
}

std::unique_ptr<ActivationServer> SquareSlots::server(std::span<const ActivationCurve> curves,
                                                      std::span<const std::uint8_t> start,
                                                      const SecretSeed& seed) const {
    require(start.empty(), ErrorKind::kProtocol, "the activation's part of the start message has the wrong size");
    return std::make_unique<SquareSlotsServer>(*this, curves, seed);
}

std::unique_ptr<ActivationClient> SquareSlots::client(const SecretSeed& seed) const {
    return std::make_unique<SquareSlotsClient>(*this, seed);
}

void activation_share(const StreamKey& shares, int layer, std::size_t chunk, std::uint32_t modulus,
                      std::span<std::uint32_t> out) {
    Prng rng = shares.stream(static_cast<std::uint64_t>(layer), chunk);
    lattice::sample_residues(rng, modulus, out);
}

}  // namespace flash::protocol
