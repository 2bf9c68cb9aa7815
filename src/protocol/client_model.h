// What a client knows of the model it talks to, kept for a session.
#pragma once

#include <memory>

#include "model/architecture.h"
#include "packing/plan.h"
#include "protocol/cost.h"
#include "protocol/epoch.h"
#include "scheme/public_polynomials.h"

namespace flash::protocol {

/// The model's public polynomials with the transforms that are kept between inferences. Shared by the inferences of a
/// session.
struct ModelPublics {
    /// Transforms of at most so many bytes are kept: 8 n for each uploaded ciphertext of an inference.
    static constexpr std::size_t kMaxTransformBytes = std::size_t{64} << 20;

    /// seed: polynomial_seed of the model.
    explicit ModelPublics(const Sha256& seed) : polynomials(seed), transforms(polynomials, kMaxTransformBytes) {}
    ModelPublics(const ModelPublics&) = delete;
    ModelPublics& operator=(const ModelPublics&) = delete;

    scheme::PublicPolynomials polynomials;
    scheme::PublicTransforms transforms;
};

struct ClientModel {
    ClientModel() = default;
    /// Plans a validated architecture. Error(kUnsupported) as make_plan. the_activation: null for that of
    /// make_activation(). epoch: of the model's public polynomials.
    ClientModel(model::Architecture the_architecture, const Sha256& the_fingerprint,
                std::shared_ptr<const Activation> the_activation = nullptr, const Epoch& epoch = {})
        : architecture(std::move(the_architecture)),
          fingerprint(the_fingerprint),
          plan(packing::make_plan(architecture)),
          activation(the_activation ? std::move(the_activation) : make_activation(architecture)),
          cost(cost_of(architecture, plan, *activation)),
          publics(std::make_shared<ModelPublics>(polynomial_seed(fingerprint, epoch))) {}

    model::Architecture architecture;
    Sha256 fingerprint{};
    PublicSeed session{};  ///< the server's random number of this session, where keys have levels
    packing::Plan plan;
    std::shared_ptr<const Activation> activation;
    InferenceCost cost;
    std::shared_ptr<ModelPublics> publics;
};

}  // namespace flash::protocol
