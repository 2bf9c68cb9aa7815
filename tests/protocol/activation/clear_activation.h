// An activation in clear text behind the interfaces of protocol/activation/: it hides nothing, so that tests see what
// the rest of the protocol makes of another one than make_activation()'s: chunks of any size, a message of vectors has
// two.
#pragma once

#include "protocol/activation/activation.h"

namespace flash::testing {

class ClearActivation : public protocol::Activation {
public:
    explicit ClearActivation(const model::Architecture& architecture, std::size_t values_per_chunk = 100);

    std::size_t values_in(int layer, std::size_t chunk) const override;
    protocol::ChunkPart part_at(int layer, std::size_t element) const override;
    std::unique_ptr<protocol::ActivationServer> server(std::span<const protocol::ActivationCurve> curves,
                                                       std::span<const std::uint8_t> start,
                                                       const SecretSeed& seed) const override;
    std::unique_ptr<protocol::ActivationClient> client(const SecretSeed& seed) const override;

    struct Layer {
        std::size_t first_slot = 0, values = 0, map = 0;  ///< slots are counted through the network
        int share_bits = 0;
    };
    const Layer& layer(int index) const { return layers_[static_cast<std::size_t>(index)]; }
    /// First value of a chunk within its layer.
    std::size_t first_value(int layer, std::size_t chunk) const;
    /// Of the activation of a value of a layer.
    std::uint32_t modulus(int index, std::size_t value) const {
        return architecture_.plain_modulus(index + 1, static_cast<int>(value / layer(index).map));
    }

private:
    ClearActivation(const model::Architecture& architecture, std::size_t values_per_chunk, std::vector<Layer> layers);

    const model::Architecture architecture_;
    const std::vector<Layer> layers_;
};

}  // namespace flash::testing
