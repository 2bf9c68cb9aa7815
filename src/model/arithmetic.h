// The integer steps that the clear-text twin and the private run share.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/architecture.h"

namespace flash::model {

/// Value of x in (-T/2, T/2] congruent to it mod T.
inline std::int64_t centre(std::int64_t x, std::uint32_t modulus) {
    std::int64_t r = x % static_cast<std::int64_t>(modulus);
    if (r < 0) r += modulus;
    return r > modulus / 2 ? r - modulus : r;
}

/// Y = X^2 + kappa X + offset, exact.
inline std::int64_t activate(std::int64_t x, std::int64_t kappa, std::int64_t offset) {
    return x * x + kappa * x + offset;
}

/// Largest |X| that keeps the guard bit: 2^(m-2) - 2.
inline std::int64_t share_limit(int share_bits) { return (std::int64_t{1} << (share_bits - 2)) - 2; }

/// Integer input of the network from normalised float pixels (CHW): round(x / input_scale), clamped to input_limit.
/// Error(kInvalidArgument) if the size differs or a value is not finite.
std::vector<std::int32_t> quantise_input(const Architecture& architecture, std::span<const float> pixels);

/// Sum pooling of a CHW map (zero padding counts as zero; a level window is as pool_levels() says). Used on shares
/// (unsigned, each channel mod its own T) and on clear values. Out must have window.out_height x out_width per channel.
void sum_pool(std::span<const std::uint32_t> in, const Shape& shape, const Window& window,
              std::span<const std::uint32_t> channel_moduli, std::span<std::uint32_t> out);
void sum_pool(std::span<const std::int64_t> in, const Shape& shape, const Window& window, std::span<std::int64_t> out);

/// Results from the reconstructed X of the last layer.
std::vector<float> dequantise_output(const Architecture& architecture, std::span<const std::int32_t> x);

}  // namespace flash::model
