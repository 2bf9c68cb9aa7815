#include "protocol/activation/composite/composite_client.h"

#include "base/error.h"
#include "model/sine.h"
#include "protocol/activation/composite/setup.h"
#include "protocol/activation/composite/slot_arrays.h"
#include "protocol/activation/composite/square_shares.h"

namespace flash::protocol {

namespace {

struct Prepared : PreparedAnswer {
    Prepared(int the_layer, std::size_t the_chunk, scheme::PreparedAnswer made)
        : layer(the_layer),
          chunk(the_chunk),
          answer(std::move(made)) {}
    const int layer;
    const std::size_t chunk;
    scheme::PreparedAnswer answer;
};

/// x + y mod T, in place on x: both below T < 2^28. No comparison, as it could become a branch on a secret.
void add_mod(std::span<std::uint32_t> x, std::span<const std::uint32_t> y, std::uint32_t modulus) {
    for (std::size_t i = 0; i < x.size(); ++i) {
        const std::uint32_t less = x[i] + y[i] - modulus;  // wraps where the sum is below T
        x[i] = less + (modulus & (0u - (less >> 31)));
    }
}

}  // namespace

CompositeClient::CompositeClient(const CompositeActivation& activation, const SecretSeed& seed)
    : activation_(activation),
      answers_(seed, "client composite answer", {}, activation.ring()->set()),
      memory_((activation.products() + 2) * activation.ring()->values() + activation.ring()->degree(),
              scheme::Contents::kSecretWork),
      prepared_(activation) {
    // Public, so it may be derived from the secret seed through a stream of its own; one seed then determines the whole
    // inference.
    Prng(seed, "client composite nonce").fill(nonce_);
}

std::vector<std::uint8_t> CompositeClient::start() const { return {nonce_.begin(), nonce_.end()}; }

void CompositeClient::begin(std::span<const std::uint8_t> setup) {
    require(!evaluator_, ErrorKind::kInternal, "the activation's set-up came twice");
    const CompositeSetup received = decode_setup(setup, *activation_.ring());
    evaluator_.emplace(activation_.ring(), scheme::CompositeSeeds{nonce_, received.server_seed}, received.public_key);
}

std::unique_ptr<PreparedAnswer> CompositeClient::prepare(int layer, std::size_t chunk) const {
    require(evaluator_.has_value(), ErrorKind::kInternal, "an answer before the set-up");
    prepared_.mark(layer, chunk, "an answer was prepared twice, or for a chunk that is none");
    const std::size_t number = activation_.first_vectors(layer) + chunk;
    std::vector<scheme::CompositeVectorId> ids;
    for (std::uint32_t v = 0; v < activation_.products(); ++v) ids.push_back({static_cast<std::uint32_t>(number), v});
    // By layer and chunk: layers that share a chunk must not share u and e1.
    Prng rng = answers_.stream(static_cast<std::uint64_t>(layer), number);
    return std::make_unique<Prepared>(layer, chunk, evaluator_->prepare(ids, rng));
}

std::vector<std::uint8_t> CompositeClient::answer(int layer, std::size_t chunk,
                                                  std::unique_ptr<PreparedAnswer> prepared,
                                                  std::span<const std::uint8_t> vectors,
                                                  std::span<const std::uint32_t> pre_activations,
                                                  std::span<std::uint32_t> share) const {
    auto* const made = dynamic_cast<Prepared*>(prepared.get());
    require(made != nullptr && made->layer == layer && made->chunk == chunk, ErrorKind::kInternal,
            "an answer was prepared for another chunk, or by another protocol");
    const scheme::CompositeRing& ring = *activation_.ring();
    const SlotLayout& layout = activation_.layout();
    const SlotLayout::Layer& description = layout.layer(layer);
    require(pre_activations.size() == description.values && share.size() == description.values, ErrorKind::kInternal,
            "the shares of a whole layer are needed");
    const std::size_t bytes = ring.ciphertext_bytes();
    const std::size_t products = activation_.products();
    require(vectors.size() == products * bytes, ErrorKind::kProtocol, "server vectors of the wrong size");

    const std::vector<SlotLayout::Piece> pieces = layout.pieces(layer, chunk);
    auto memory = memory_.lease();
    const SlotArrays arrays(memory.words(), ring.values(), products + 2);
    const std::span<std::uint32_t> squares = arrays[products], half = arrays[products + 1], work = arrays.rest();
    activation_.clear_beside(pieces, arrays, products);
    const bool sine = description.curve == model::Curve::kSine;
    for (const SlotLayout::Piece& piece : pieces) {
        const auto slots_of = [&](std::size_t v) { return activation_.slots_of(piece, arrays[v]); };
        const auto shares = work.first(piece.count);
        layout.gather<std::uint32_t>(layer, piece, pre_activations, shares);
        const std::uint32_t modulus = activation_.modulus(piece.group);
        if (sine)
            model::sine_factors(shares, model::ShareOf::kClient, description.share_bits, description.amplitude, modulus,
                                slots_of(0), slots_of(1), ring.set());
        else
            client_vectors(shares, description.share_bits, modulus, {slots_of(0), slots_of(1), slots_of(2)},
                           activation_.slots_of(piece, squares), ring.set());
    }
    std::vector<scheme::CompositeFactor> factors;
    for (std::size_t v = 0; v < products; ++v) factors.push_back({vectors.subspan(v * bytes, bytes), arrays[v]});
    std::vector<std::uint8_t> sent = evaluator_->answer(std::move(made->answer), factors, half);
    for (const SlotLayout::Piece& piece : pieces) {
        const auto sum = activation_.slots_of(piece, half);
        if (!sine) add_mod(sum, activation_.slots_of(piece, squares), activation_.modulus(piece.group));
        layout.scatter<std::uint32_t>(layer, piece, sum, share);
    }
    return sent;
}

}  // namespace flash::protocol
