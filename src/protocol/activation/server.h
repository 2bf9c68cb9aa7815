// The server's side of the activations of one inference.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace flash::protocol {

/// X^2 + kappa X + offset, or a sine plus offset, per channel of a layer; kappa is empty for sines, and both are where
/// there is no activation.
struct ActivationCurve {
    std::vector<std::int32_t> kappa, offset;
};

/// Thread-safe. Shares are spans of whole layers, in CHW order; a function reads or writes those of its chunk.
class ActivationServer {
public:
    virtual ~ActivationServer() = default;

    /// What the client needs to begin (sizes().setup bytes).
    virtual std::vector<std::uint8_t> setup() const = 0;

    /// The server's shares U_s of a layer's pre-activations, known ahead as they follow from its masks.
    using LayerShares = std::function<std::span<const std::uint32_t>(int layer)>;
    /// Message number `number` of encrypted vectors (sizes().vectors bytes), counted through the network. Once each:
    /// Error(kInternal) otherwise. Asks for the shares of the layers that need it.
    virtual std::vector<std::uint8_t> make_vectors(std::size_t number, const LayerShares& shares) = 0;

    /// Writes the server's shares mod T of a chunk's activations. Error(kProtocol) if the answer is malformed.
    virtual void finish(int layer, std::size_t chunk, std::span<const std::uint8_t> answer,
                        std::span<const std::uint32_t> pre_activations, std::span<std::uint32_t> share) const = 0;
};

}  // namespace flash::protocol
