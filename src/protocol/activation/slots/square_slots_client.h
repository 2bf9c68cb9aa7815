// The client of square_slots.h: draws its shares, prepares and computes the masked products.
#pragma once

#include <optional>

#include "base/random.h"
#include "protocol/activation/slots/square_slots.h"

namespace flash::protocol {

class SquareSlotsClient : public ActivationClient {
public:
    SquareSlotsClient(const SquareSlots& activation, const SecretSeed& seed);

    std::vector<std::uint8_t> start() const override { return {}; }
    void begin(std::span<const std::uint8_t> setup) override;
    bool knows_shares_ahead() const override { return true; }
    void share_ahead(int layer, std::size_t chunk, std::span<std::uint32_t> share) const override;
    std::unique_ptr<PreparedAnswer> prepare(int layer, std::size_t chunk) const override;
    std::vector<std::uint8_t> answer(int layer, std::size_t chunk, std::unique_ptr<PreparedAnswer> prepared,
                                     std::span<const std::uint8_t> vectors,
                                     std::span<const std::uint32_t> pre_activations,
                                     std::span<std::uint32_t> share) const override;

private:
    const SquareSlots& activation_;
    const StreamKey shares_, responses_;
    std::optional<scheme::SlotEvaluator> evaluator_;  ///< once begun
};

}  // namespace flash::protocol
