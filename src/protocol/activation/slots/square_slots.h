// X^2 + kappa X + offset by three products of slots (docs/protocol.md, "The activation"): the server encrypts vectors
// of its shares in the slots of scheme/slots.h, the client multiplies them by its own, subtracts its share Y_c, which
// it draws, and sends the masked product back. Chunks are the slots of one ciphertext: kSlotDegree consecutive values
// of a layer.
#pragma once

#include "protocol/activation/activation.h"
#include "scheme/slots.h"

namespace flash::protocol {

class SquareSlots : public Activation {
public:
    /// set: of the kernels; all give the same bits.
    explicit SquareSlots(const model::Architecture& architecture, InstructionSet set = best_instruction_set());

    std::size_t values_in(int layer, std::size_t chunk) const override;
    ChunkPart part_at(int layer, std::size_t element) const override;
    std::unique_ptr<ActivationServer> server(std::span<const ActivationCurve> curves,
                                             std::span<const std::uint8_t> start,
                                             const SecretSeed& seed) const override;
    std::unique_ptr<ActivationClient> client(const SecretSeed& seed) const override;

    // For the parties' objects.
    struct Layer {
        std::size_t values = 0, map = 0;  ///< of the layer, and of one channel
        int share_bits = 0;
    };
    const Layer& layer(int index) const { return layers_[static_cast<std::size_t>(index)]; }
    /// First value of a chunk.
    static std::size_t first_value(std::size_t chunk) { return chunk * scheme::kSlotDegree; }
    std::uint32_t modulus() const { return parameters_.plain_modulus; }
    const scheme::SlotParameters& parameters() const { return parameters_; }
    InstructionSet instruction_set() const { return set_; }

private:
    const scheme::SlotParameters& parameters_;
    const InstructionSet set_;
    std::vector<Layer> layers_;
};

/// The client's share of one chunk of an activation: uniform mod T, stream (layer, chunk) of the key of
/// kActivationShareDomain.
inline constexpr const char* kActivationShareDomain = "client activation share";
void activation_share(const StreamKey& shares, int layer, std::size_t chunk, std::uint32_t modulus,
                      std::span<std::uint32_t> out);

}  // namespace flash::protocol
