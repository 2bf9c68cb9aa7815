#include "protocol/activation/composite/composite_server.h"

#include <array>

#include "base/error.h"
#include "model/sine.h"
#include "protocol/activation/composite/setup.h"
#include "protocol/activation/composite/sine_shares.h"
#include "protocol/activation/composite/square_shares.h"

namespace flash::protocol {

CompositeServer::CompositeServer(const CompositeActivation& activation, std::span<const ActivationCurve> curves,
                                 const PublicSeed& client_nonce, const SecretSeed& seed)
    : activation_(activation),
      curves_(curves),
      encryption_(seed, "server composite encryption", {}, activation.ring()->set()),
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
    std::vector<SecretVector<std::uint32_t>> vectors(activation_.products());
    for (auto& vector : vectors) vector = SecretVector<std::uint32_t>(ring.values());  // zero where no layer is
    {
        SecretBuffer<std::uint32_t> own(ring.degree());
        SecretBuffer<std::int32_t> kappa(ring.degree());
        std::array<SecretVector<std::uint32_t>, kSquareProducts> made;
        for (int l = 0; l < layout.layers(); ++l) {
            const SlotLayout::Layer& description = layout.layer(l);
            if (number < description.first_chunk || number >= description.first_chunk + description.chunks) continue;
            const std::span<const std::uint32_t> all = shares(l);
            for (const SlotLayout::Piece& piece : layout.pieces(l, number - description.first_chunk)) {
                const auto part = std::span<std::uint32_t>(own).first(piece.count);
                const auto part_kappa = std::span<std::int32_t>(kappa).first(piece.count);
                const auto slots_of = [&](std::size_t v) {
                    return activation_.slots_of(piece, std::span<std::uint32_t>(vectors[v]));
                };
                layout.gather<std::uint32_t>(l, piece, all, part);
                if (description.curve == model::Curve::kSine) {
                    // The client's vectors are its sines and cosines.
                    model::sine_factors(part, model::ShareOf::kServer, description.share_bits, description.amplitude,
                                        activation_.modulus(piece.group), slots_of(1), slots_of(0), ring.set());
                    continue;
                }
                layout.expand<std::int32_t>(l, piece, curves_[static_cast<std::size_t>(l)].kappa, part_kappa);
                server_vectors(part, part_kappa, description.share_bits, activation_.modulus(piece.group), made,
                               ring.set());
                for (std::size_t v = 0; v < kSquareProducts; ++v) std::ranges::copy(made[v], slots_of(v).begin());
            }
        }
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
    SecretBuffer<std::uint32_t> half(ring.values()), own(ring.degree());
    SecretBuffer<std::int32_t> kappa(ring.degree()), offset(ring.degree());
    key_->decrypt(answer, half);
    const ActivationCurve& curve = curves_[static_cast<std::size_t>(layer)];
    for (const SlotLayout::Piece& piece : layout.pieces(layer, chunk)) {
        const auto part = activation_.slots_of(piece, std::span<std::uint32_t>(half));
        const auto part_own = std::span<std::uint32_t>(own).first(piece.count);
        const auto part_kappa = std::span<std::int32_t>(kappa).first(piece.count),
                   part_offset = std::span<std::int32_t>(offset).first(piece.count);
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
