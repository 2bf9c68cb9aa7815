// The server of square_slots.h: encrypts vectors of its shares, decrypts the masked products and finishes its share.
#pragma once

#include "base/random.h"
#include "protocol/activation/slots/square_slots.h"

namespace flash::protocol {

class SquareSlotsServer : public ActivationServer {
public:
    SquareSlotsServer(const SquareSlots& activation, std::span<const ActivationCurve> curves, const SecretSeed& seed);

    std::vector<std::uint8_t> setup() const override;
    std::vector<std::uint8_t> make_vectors(std::size_t number, const LayerShares& shares) override;
    void finish(int layer, std::size_t chunk, std::span<const std::uint8_t> answer,
                std::span<const std::uint32_t> pre_activations, std::span<std::uint32_t> share) const override;

private:
    const SquareSlots& activation_;
    const std::span<const ActivationCurve> curves_;
    const StreamKey encryption_;
    PublicSeed public_seed_;
    std::unique_ptr<scheme::SlotSecretKey> key_;
};

}  // namespace flash::protocol
