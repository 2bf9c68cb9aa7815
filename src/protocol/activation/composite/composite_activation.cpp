#include "protocol/activation/composite/composite_activation.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "protocol/activation/composite/composite_client.h"
#include "protocol/activation/composite/composite_server.h"
#include "protocol/activation/composite/setup.h"
#include "protocol/activation/composite/sine_shares.h"
#include "protocol/activation/composite/square_shares.h"

namespace flash::protocol {

namespace {

ActivationSizes sizes_for(const scheme::CompositeRing& ring) {
    ActivationSizes sizes;
    sizes.start = sizeof(PublicSeed);
    sizes.setup = setup_bytes(ring);
    sizes.vectors = static_cast<std::size_t>(ring.parameters().rank) * ring.ciphertext_bytes();
    sizes.answer = ring.answer_bytes();
    sizes.prepared = scheme::prepared_answer_bytes(ring);
    // The parties' arrays of slots, those of a piece alone, and its coefficients: vectors in the making at the server;
    // factors, squares and the share at the client.
    const scheme::CompositeMemory server = scheme::server_memory(ring), client = scheme::client_memory(ring);
    sizes.server_kept = server.kept;
    sizes.client_kept = client.kept;
    sizes.server_working =
        server.working + sizeof(std::uint32_t) * ((kSquareProducts * ring.values()) + 3 * ring.degree());
    sizes.client_working =
        client.working + sizeof(std::uint32_t) * ((kSquareProducts + 2) * ring.values() + ring.degree());
    sizes.values_per_chunk = ring.values();
    sizes.products = ring.parameters().rank;
    return sizes;
}

/// Width of the moduli of all activations.
int plain_bits_of(const model::Architecture& architecture) {
    int bits = 0;
    for (std::size_t l = 0; l < architecture.layers.size(); ++l) {
        if (!architecture.layers[l].activation) continue;
        const int own = architecture.plain_bits_of(static_cast<int>(l) + 1);
        if (bits != 0 && own != bits)
            throw Error(ErrorKind::kUnsupported,
                        fmt::format("activations modulo primes of {} and of {} bits in one network", bits, own));
        bits = own;
    }
    return bits != 0 ? bits : architecture.plain_bits;
}

/// Products that some layer needs.
int products_of(const SlotLayout& layout) {
    int products = kSineProducts;
    for (int l = 0; l < layout.layers(); ++l)
        if (layout.layer(l).chunks > 0 && layout.layer(l).curve == model::Curve::kSquare) products = kSquareProducts;
    return products;
}

/// Coefficients of all answers, each of which may be rounded wrongly.
std::size_t answer_coefficients(const SlotLayout& layout) {
    return std::max(layout.answers(), std::size_t{1}) * layout.degree();
}

}  // namespace

scheme::CompositeParameters composite_parameters(const model::Architecture& architecture, const SlotLayout& layout) {
    const int bits = plain_bits_of(architecture);
    // Both parties compute the parameters by floating-point arithmetic: a power of two keeps them away from values at
    // which a last bit matters.
    const std::size_t coefficients = std::bit_ceil(answer_coefficients(layout));
    try {
        return scheme::choose_composite_parameters({layout.degree(), layout.groups()}, bits, products_of(layout),
                                                   static_cast<double>(coefficients), kLogWrongInference);
    } catch (const Error& error) {
        throw Error(ErrorKind::kUnsupported,
                    fmt::format("{} answers over slots of degree {} with {} moduli of {} bits: {}", layout.answers(),
                                layout.degree(), layout.groups(), bits, error.what()));
    }
}

CompositeActivation::CompositeActivation(const model::Architecture& architecture, InstructionSet set, bool guarded)
    : CompositeActivation(SlotLayout(architecture, !guarded),
                          composite_parameters(architecture, SlotLayout(architecture, !guarded)), set, guarded) {
    require(std::ranges::equal(ring_->plain_moduli(),
                               model::plain_moduli(architecture.slots, ring_->parameters().plain_bits)),
            ErrorKind::kInternal, "the model and the composite scheme differ in their plaintext moduli");
}

CompositeActivation::CompositeActivation(SlotLayout layout, const scheme::CompositeParameters& parameters,
                                         InstructionSet set, bool guarded)
    : Activation(sizes_for(*scheme::CompositeRing::of(parameters, set)),
                 [&] {
                     std::vector<LayerChunks> chunks;
                     for (int l = 0; l < layout.layers(); ++l) {
                         const SlotLayout::Layer& layer = layout.layer(l);
                         chunks.push_back({layer.chunks, layer.first_chunk, layer.first_chunk + layer.chunks});
                     }
                     return chunks;
                 }()),
      layout_(std::move(layout)),
      ring_(scheme::CompositeRing::of(parameters, set)),
      log2_wrong_(scheme::log2_wrong_rounding(parameters, static_cast<double>(answer_coefficients(layout_)))),
      guarded_(guarded) {}

ChunkPart CompositeActivation::part_at(int layer, std::size_t element) const {
    const SlotLayout::Place place = layout_.place_of(layer, element);
    return {place.chunk, place.count};
}

void CompositeActivation::clear_beside(std::span<const SlotLayout::Piece> pieces, const SlotArrays& arrays,
                                       std::size_t count) const {
    std::size_t covered = 0;
    for (const SlotLayout::Piece& piece : pieces) covered += piece.count;
    if (covered == ring_->values()) return;  // pieces do not overlap
    for (std::size_t v = 0; v < count; ++v) std::ranges::fill(arrays[v], 0u);
}

std::unique_ptr<ActivationServer> CompositeActivation::server(std::span<const ActivationCurve> curves,
                                                              std::span<const std::uint8_t> start,
                                                              const SecretSeed& seed) const {
    return std::make_unique<CompositeServer>(*this, curves, decode_nonce(start), seed);
}

std::unique_ptr<ActivationClient> CompositeActivation::client(const SecretSeed& seed) const {
    return std::make_unique<CompositeClient>(*this, seed);
}

}  // namespace flash::protocol
