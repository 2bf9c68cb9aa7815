// A window on the shares for tests and for `flash eval`, which runs both parties in one process to compare a private
// inference with the clear-text twin. `flash serve` and `flash infer` never pass one: a probe that saw the shares of
// both parties would undo the protocol.
#pragma once

#include <cstdint>
#include <span>

namespace flash::protocol {

class ShareProbe {
public:
    virtual ~ShareProbe() = default;
    /// This party's share of a layer's pre-activations, mod 2^m, in CHW order.
    virtual void pre_activation(int layer, std::span<const std::uint32_t> share) = 0;
    /// This party's share of a value (0 = input, i + 1 = activation of layer i), mod T, in CHW order.
    virtual void value(int value, std::span<const std::uint32_t> share) = 0;
};

}  // namespace flash::protocol
