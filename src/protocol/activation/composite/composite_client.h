// The client of composite_activation.h: prepares and computes the answers, and keeps its half of each as its share.
#pragma once

#include <optional>

#include "base/random.h"
#include "protocol/activation/composite/chunk_marks.h"
#include "protocol/activation/composite/composite_activation.h"
#include "scheme/composite.h"
#include "scheme/workspace.h"

namespace flash::protocol {

class CompositeClient : public ActivationClient {
public:
    CompositeClient(const CompositeActivation& activation, const SecretSeed& seed);

    std::vector<std::uint8_t> start() const override;
    void begin(std::span<const std::uint8_t> setup) override;
    std::unique_ptr<PreparedAnswer> prepare(int layer, std::size_t chunk) const override;
    std::vector<std::uint8_t> answer(int layer, std::size_t chunk, std::unique_ptr<PreparedAnswer> prepared,
                                     std::span<const std::uint8_t> vectors,
                                     std::span<const std::uint32_t> pre_activations,
                                     std::span<std::uint32_t> share) const override;

private:
    const CompositeActivation& activation_;
    const StreamKey answers_;
    PublicSeed nonce_;
    std::optional<scheme::CompositeEvaluator> evaluator_;  ///< once begun
    scheme::BlockPool<std::uint32_t> memory_;              ///< of arrays of slots, for one answer
    mutable ChunkMarks prepared_;
};

}  // namespace flash::protocol
