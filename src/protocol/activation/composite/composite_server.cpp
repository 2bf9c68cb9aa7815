#include "protocol/activation/composite/composite_server.h"

#include "base/error.h"
#include "model/sine.h"
#include "protocol/activation/composite/setup.h"
#include "protocol/activation/composite/sine_shares.h"
#include "protocol/activation/composite/slot_arrays.h"
#include "protocol/activation/composite/square_shares.h"

namespace flash::protocol {

namespace {

struct LayerPiece {
    int layer;
    SlotLayout::Piece slots;
};

/// Of all layers that have values in a chunk, which is counted through the network.
std::vector<LayerPiece> pieces_of(const SlotLayout& layout, std::size_t chunk) {
    std::vector<LayerPiece> result;
    for (int l = 0; l < layout.layers(); ++l) {
        const SlotLayout::Layer& layer = layout.layer(l);
        if (chunk < layer.first_chunk || chunk >= layer.first_chunk + layer.chunks) continue;
        for (const SlotLayout::Piece& piece : layout.pieces(l, chunk - layer.first_chunk)) result.push_back({l, piece});
    }
    return result;
}

}  // namespace

CompositeServer::CompositeServer(const CompositeActivation& activation, std::span<const ActivationCurve> curves,
                                 const PublicSeed& client_nonce, const SecretSeed& seed)
    : activation_(activation),
      curves_(curves),
      encryption_(seed, "server composite encryption", {}, activation.ring()->set()),
      memory_(activation.products() * activation.ring()->values() + activation.ring()->degree(),
              scheme::Contents::kSecretWork),
      coefficients_(2 * activation.ring()->degree(), scheme::Contents::kSecretWork),
      finished_(activation) {
    // Public, so it may be derived from the secret seed through a stream of its own; one seed then determines the whole
    // inference.
    Prng(seed, "server composite public seed").fill(public_seed_);
    Prng rng(seed, "server composite key");
    key_ = std::make_unique<scheme::CompositeSecretKey>(activation.ring(),
                                                        scheme::CompositeSeeds{client_nonce, public_seed_}, rng);
}

std::vector<std::uint8_t> CompositeServer::setup() const {
    CompositeSetup sent{public_seed_, {}};
    key_->append_public_key(sent.public_key);
    return encode(sent);
}

std::vector<std::uint8_t> CompositeServer::make_vectors(std::size_t number, const LayerShares& shares) {
    const SlotLayout& layout = activation_.layout();
    const scheme::CompositeRing& ring = *activation_.ring();
    require(number < activation_.vectors_end(layout.layers() - 1), ErrorKind::kInternal,
            "no layer needs these vectors");
    auto memory = memory_.lease();
    auto coefficients = coefficients_.lease();
    const SlotArrays vectors(memory.words(), ring.values(), activation_.products());
    const std::span<std::uint32_t> own = vectors.rest();
    const std::vector<LayerPiece> pieces = pieces_of(layout, number);
    std::vector<SlotLayout::Piece> slots;
    slots.reserve(pieces.size());
    for (const LayerPiece& piece : pieces) slots.push_back(piece.slots);
    activation_.clear_beside(slots, vectors, activation_.products());
    for (const LayerPiece& layer_piece : pieces) {
        const int l = layer_piece.layer;
        const SlotLayout::Piece& piece = layer_piece.slots;
        const SlotLayout::Layer& description = layout.layer(l);
        const auto slots_of = [&](std::size_t v) { return activation_.slots_of(piece, vectors[v]); };
        const auto part = own.first(piece.count);
        const auto kappa = coefficients.words().first(piece.count);
        layout.gather<std::uint32_t>(l, piece, shares(l), part);
        const std::uint32_t modulus = activation_.modulus(piece.group);
        if (description.curve == model::Curve::kSine) {
            // The client's vectors are its sines and cosines.
            model::sine_factors(part, model::ShareOf::kServer, description.share_bits, description.amplitude, modulus,
                                slots_of(1), slots_of(0), ring.set());
            continue;
        }
        layout.expand<std::int32_t>(l, piece, curves_[static_cast<std::size_t>(l)].kappa, kappa);
        server_vectors(part, kappa, description.share_bits, modulus, {slots_of(0), slots_of(1), slots_of(2)},
                       ring.set());
    }
    std::vector<std::uint8_t> out;
    out.reserve(activation_.sizes().vectors);
    for (std::uint32_t v = 0; v < activation_.products(); ++v) {
        Prng rng = encryption_.stream(number, v);
        key_->encrypt({static_cast<std::uint32_t>(number), v}, vectors[v], rng, out);
    }
    return out;
}

void CompositeServer::finish(int layer, std::size_t chunk, std::span<const std::uint8_t> answer,
                             std::span<const std::uint32_t> pre_activations, std::span<std::uint32_t> share) const {
    const SlotLayout& layout = activation_.layout();
    const scheme::CompositeRing& ring = *activation_.ring();
    const SlotLayout::Layer& description = layout.layer(layer);
    require(pre_activations.size() == description.values && share.size() == description.values, ErrorKind::kInternal,
            "the shares of a whole layer are needed");
    // A half that the client chooses decrypts to what it likes of the key: once for each answer, not as often as asked.
    finished_.mark(layer, chunk, "an answer was decrypted twice, or for a chunk that is none");
    auto memory = memory_.lease();
    auto coefficients = coefficients_.lease();
    const SlotArrays arrays(memory.words(), ring.values(), 1);
    const std::span<std::uint32_t> half = arrays[0], own = arrays.rest();
    const auto kappa = coefficients.words().first(ring.degree()), offset = coefficients.words().last(ring.degree());
    key_->decrypt(answer, half);
    const ActivationCurve& curve = curves_[static_cast<std::size_t>(layer)];
    for (const SlotLayout::Piece& piece : layout.pieces(layer, chunk)) {
        const auto part = activation_.slots_of(piece, half);
        const auto part_own = own.first(piece.count);
        const auto part_kappa = kappa.first(piece.count), part_offset = offset.first(piece.count);
        layout.expand<std::int32_t>(layer, piece, curve.offset, part_offset);
        if (description.curve == model::Curve::kSine) {
            add_offset(part, part_offset, activation_.modulus(piece.group));
        } else {
            layout.gather<std::uint32_t>(layer, piece, pre_activations, part_own);
            layout.expand<std::int32_t>(layer, piece, curve.kappa, part_kappa);
            finish_server_share(part, part_own, part_kappa, part_offset, activation_.modulus(piece.group), ring.set());
        }
        layout.scatter<std::uint32_t>(layer, piece, part, share);
    }
}

}  // namespace flash::protocol
