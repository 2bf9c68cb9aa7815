#include "protocol/activation/slots/square_slots_client.h"

#include <array>

#include "base/error.h"
#include "protocol/activation/slots/setup.h"
#include "protocol/activation/slots/square_shares.h"

namespace flash::protocol {

namespace {

struct Prepared : PreparedAnswer {
    explicit Prepared(scheme::PreparedResponse made) : response(std::move(made)) {}
    scheme::PreparedResponse response;
};

}  // namespace

SquareSlotsClient::SquareSlotsClient(const SquareSlots& activation, const SecretSeed& seed)
    : activation_(activation),
      shares_(seed, kActivationShareDomain),
      responses_(seed, "client product response") {}

void SquareSlotsClient::begin(std::span<const std::uint8_t> setup) {
    const SquareSlotsSetup received = decode_setup(setup, activation_.parameters());
    evaluator_.emplace(activation_.parameters(), received.seed, received.public_key, activation_.instruction_set());
}

void SquareSlotsClient::share_ahead(int layer, std::size_t chunk, std::span<std::uint32_t> share) const {
    activation_share(shares_, layer, chunk, activation_.modulus(),
                     share.subspan(SquareSlots::first_value(chunk), activation_.values_in(layer, chunk)));
}

std::unique_ptr<PreparedAnswer> SquareSlotsClient::prepare(int layer, std::size_t chunk) const {
    require(evaluator_.has_value(), ErrorKind::kInternal, "an answer before the set-up");
    SecretBuffer<std::uint32_t> mask(activation_.values_in(layer, chunk));
    activation_share(shares_, layer, chunk, activation_.modulus(), mask);
    std::array<scheme::SlotVectorId, kSquareProducts> ids;
    for (std::uint32_t v = 0; v < kSquareProducts; ++v)
        ids[v] = {static_cast<std::uint32_t>(layer), static_cast<std::uint32_t>(chunk), v};
    Prng rng = responses_.stream(static_cast<std::uint64_t>(layer), chunk);
    return std::make_unique<Prepared>(evaluator_->prepare(ids, mask, rng));
}

std::vector<std::uint8_t> SquareSlotsClient::answer(int layer, std::size_t chunk,
                                                    std::unique_ptr<PreparedAnswer> prepared,
                                                    std::span<const std::uint8_t> vectors,
                                                    std::span<const std::uint32_t> pre_activations,
                                                    std::span<std::uint32_t> share) const {
    if (!share.empty()) share_ahead(layer, chunk, share);
    const std::size_t bytes = scheme::slot_ciphertext_bytes(activation_.parameters());
    require(vectors.size() == kSquareProducts * bytes, ErrorKind::kProtocol, "server vectors of the wrong size");
    SecretVector<std::uint32_t> addend;
    std::array<SecretVector<std::uint32_t>, kSquareProducts> own;
    client_vectors(pre_activations.subspan(SquareSlots::first_value(chunk), activation_.values_in(layer, chunk)),
                   activation_.layer(layer).share_bits, activation_.modulus(), own, addend,
                   activation_.instruction_set());
    std::array<scheme::SlotFactor, kSquareProducts> factors;
    for (std::size_t v = 0; v < kSquareProducts; ++v) factors[v] = {vectors.subspan(v * bytes, bytes), own[v]};
    auto* const made = dynamic_cast<Prepared*>(prepared.get());
    require(made != nullptr, ErrorKind::kInternal, "an answer was prepared by another protocol");
    return evaluator_->respond(std::move(made->response), factors, addend);
}

}  // namespace flash::protocol
