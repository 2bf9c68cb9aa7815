#include "protocol/activation/slots/square_slots_server.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "protocol/activation/slots/setup.h"
#include "protocol/activation/slots/square_shares.h"

namespace flash::protocol {

namespace {

/// The entry of an element's channel for each of the elements [first, first + out.size()) of a CHW map.
void expand_channels(std::span<const std::int32_t> per_channel, std::size_t map, std::size_t first,
                     std::span<std::int32_t> out) {
    for (std::size_t i = 0; i < out.size();) {
        const std::size_t channel = (first + i) / map, end = std::min(out.size(), (channel + 1) * map - first);
        std::fill(out.begin() + static_cast<std::ptrdiff_t>(i), out.begin() + static_cast<std::ptrdiff_t>(end),
                  per_channel[channel]);
        i = end;
    }
}

}  // namespace

SquareSlotsServer::SquareSlotsServer(const SquareSlots& activation, std::span<const ActivationCurve> curves,
                                     const SecretSeed& seed)
    : activation_(activation),
      curves_(curves),
      encryption_(seed, "server slot encryption") {
    // Public, so it may be derived from the secret seed through a stream of its own; one seed then determines the whole
    // inference.
    Prng(seed, "server public slot seed").fill(public_seed_);
    Prng rng(seed, "server slot key");
    key_ = std::make_unique<scheme::SlotSecretKey>(activation.parameters(), public_seed_, rng,
                                                   activation.instruction_set());
}

std::vector<std::uint8_t> SquareSlotsServer::setup() const {
    SquareSlotsSetup sent{public_seed_, {}};
    key_->append_public_key(sent.public_key);
    return encode(sent);
}

std::vector<std::uint8_t> SquareSlotsServer::make_vectors(std::size_t number, const LayerShares& shares) {
    int layer = 0;
    while (layer < activation_.layers() && activation_.vectors_end(layer) <= number) ++layer;
    require(layer < activation_.layers(), ErrorKind::kInternal, "no layer needs these vectors");
    const std::size_t chunk = number - activation_.first_vectors(layer), first = SquareSlots::first_value(chunk),
                      count = activation_.values_in(layer, chunk);
    const SquareSlots::Layer& description = activation_.layer(layer);
    SecretBuffer<std::int32_t> kappa(count);
    expand_channels(curves_[static_cast<std::size_t>(layer)].kappa, description.map, first, kappa);
    std::array<SecretVector<std::uint32_t>, kSquareProducts> vectors;
    server_vectors(shares(layer).subspan(first, count), kappa, description.share_bits, activation_.modulus(), vectors,
                   activation_.instruction_set());
    Prng rng = encryption_.stream(static_cast<std::uint64_t>(layer), chunk);
    std::vector<std::uint8_t> out;
    out.reserve(activation_.sizes().vectors);
    for (std::uint32_t v = 0; v < kSquareProducts; ++v)
        key_->encrypt({static_cast<std::uint32_t>(layer), static_cast<std::uint32_t>(chunk), v}, vectors[v], rng, out);
    return out;
}

void SquareSlotsServer::finish(int layer, std::size_t chunk, std::span<const std::uint8_t> answer,
                               std::span<const std::uint32_t> pre_activations, std::span<std::uint32_t> share) const {
    const std::size_t first = SquareSlots::first_value(chunk), count = activation_.values_in(layer, chunk);
    const SquareSlots::Layer& description = activation_.layer(layer);
    const ActivationCurve& curve = curves_[static_cast<std::size_t>(layer)];
    const auto part = share.subspan(first, count);
    key_->decrypt(answer, part);
    SecretBuffer<std::int32_t> kappa(count), offset(count);
    expand_channels(curve.kappa, description.map, first, kappa);
    expand_channels(curve.offset, description.map, first, offset);
    finish_server_share(part, pre_activations.subspan(first, count), kappa, offset, activation_.modulus(),
                        activation_.instruction_set());
}

}  // namespace flash::protocol
