// A compiled model: the public architecture and the server's secret integers.
//
// Integer semantics (all exact; docs/protocol.md, "Values"):
//   acc_i[o] = sum over terms of  multiplier * (conv_int8(source) [o])   or   scale[o] * source[o],
//              over those channels of the sources that live modulo T_i; acc_1 also has bias[o]
//   X[o]     = 2^m * sum over i of acc_i[o] / T_i, rounded (by at most one unit);   the sum is below 1/4, so that X
//              keeps one guard bit
//   Y[o]     = X^2 + kappa[o] * X + offset[o], the activation, an exact integer: |Y| < T/2 with the T of its channel
// or, of a layer with Curve::kSine, for which X counts mod 2^m and the sum of acc_i / T_i may be anything,
//   Y[o]     = S^2 sin(2 pi X / 2^m) + offset[o], rounded as model/sine.h says; the phase of the curve is in bias[o]
// The T_i are layer_moduli() of the architecture; with one value in a slot there is one T.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/hash.h"
#include "model/architecture.h"

namespace flash::model {

inline constexpr std::int32_t kMaxMultiplier = (1 << 24) - 1;  ///< of TermWeights::multiplier and |TermWeights::scale|

struct TermWeights {
    /// kConvolution: [out][in / groups][kernel_h][kernel_w], values in -127..127.
    std::vector<std::int8_t> weights;
    /// kConvolution: one positive integer that multiplies the whole int8 product of this term (the same for all
    /// outputs, since several outputs share a polynomial), 1..kMaxMultiplier.
    std::int32_t multiplier = 1;
    /// kScale: one integer per channel, |.| <= kMaxMultiplier.
    std::vector<std::int32_t> scale;
};

struct LayerWeights {
    std::vector<TermWeights> terms;    ///< one per term of the architecture's layer
    std::vector<std::int32_t> bias;    ///< per output channel, added to acc_1 at every output position, |.| < T_1/2
    std::vector<std::int32_t> kappa;   ///< per channel; empty for the result layer and for sines
    std::vector<std::int32_t> offset;  ///< per channel, |.| < T/4 of the channel; empty for the result layer
    // What the compiler found, for reports only (never sent to the client).
    std::vector<double>
        x_scale;  ///< x = x_scale[o] * (X - shift), mod a period for sines; the shift is in bias and offset
    std::vector<double> y_scale;  ///< y = y_scale[o] * Y
    double calibrated_use = 0;  ///< largest |sum of acc_i / T_i| seen in calibration, as a fraction of 1/4; 0 for sines
    double noise_bits = 0;      ///< log2 of the ten-sigma noise of the layer's phase, to be below 32 - m
};

struct SecretWeights {
    std::vector<LayerWeights> layers;
    std::vector<std::uint8_t> salt;  ///< 32 random bytes: makes the public fingerprint a hiding commitment
};

struct Model {
    Architecture architecture;
    SecretWeights weights;
};

/// Checks that the weights fit the architecture (counts, ranges). Throws Error(kFile).
void validate(const Model& model);
/// The same for one layer of a validated architecture, and for the salt.
void validate_layer(const Architecture& architecture, std::size_t index, const LayerWeights& weights);
void validate_salt(std::span<const std::uint8_t> salt);

}  // namespace flash::model
