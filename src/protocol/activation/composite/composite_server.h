// The server of composite_activation.h: encrypts vectors of its shares, rounds its half of each answer and finishes its
// share.
#pragma once

#include "base/random.h"
#include "protocol/activation/composite/chunk_marks.h"
#include "protocol/activation/composite/composite_activation.h"
#include "scheme/composite.h"
#include "scheme/workspace.h"

namespace flash::protocol {

class CompositeServer : public ActivationServer {
public:
    CompositeServer(const CompositeActivation& activation, std::span<const ActivationCurve> curves,
                    const PublicSeed& client_nonce, const SecretSeed& seed);

    std::vector<std::uint8_t> setup() const override;
    std::vector<std::uint8_t> make_vectors(std::size_t number, const LayerShares& shares) override;
    void finish(int layer, std::size_t chunk, std::span<const std::uint8_t> answer,
                std::span<const std::uint32_t> pre_activations, std::span<std::uint32_t> share) const override;

private:
    const CompositeActivation& activation_;
    const std::span<const ActivationCurve> curves_;
    const StreamKey encryption_;
    PublicSeed public_seed_;
    std::unique_ptr<scheme::CompositeSecretKey> key_;
    scheme::BlockPool<std::uint32_t> memory_;       ///< of arrays of slots, for the vectors of one chunk or one answer
    scheme::BlockPool<std::int32_t> coefficients_;  ///< of a piece's values
    mutable ChunkMarks finished_;
};

}  // namespace flash::protocol
