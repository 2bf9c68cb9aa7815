// From the float network and its calibrated ranges to the integers of a compiled model, for one T and one m.
//
// Per output channel o, with R_o the calibrated range times the margin (the larger of the fixed
// one and that of the fitted tail), and not below the bias:
//   delta_o = R_o / (2^(m-2) - 3.5)                       x = delta_o * (X - shift_o)
//   s_o     = delta_o * 2^m / T                           what one unit of the accumulator is worth
//   weights = round(w * y_scale[source channel] / s_o / g)     int8; g: one integer per term
//   kappa   = round(b / (a delta_o)),  shift_o = (b / (a delta_o) - kappa) / 2
// The shift of at most a quarter unit, added through the bias, makes a x^2 + b x + c = a delta^2 (X^2 + kappa X + offset)
// hold with an integer kappa for any coefficients.
#pragma once

#include <vector>

#include "compiler/calibrate.h"
#include "compiler/network.h"
#include "model/model.h"

namespace flash::compiler {

struct QuantiseOptions {
    double margin = 2;
    double channel_floor = 0.5;
    double overflow_rate = 1e-5;
    int share_bits = 9;
    std::uint32_t plain_modulus = 0;
    int result_bits = 16;  ///< of the result layer. Both are reduced for a layer whose noise asks for it
};

struct Quantised {
    model::Architecture architecture;     ///< without name, preprocessing and classes
    model::SecretWeights weights;         ///< without salt
    std::vector<std::vector<double>> shift;  ///< [layer][channel]: x = x_scale * (X - shift)
};

/// Error(kRange) naming the layer that does not fit and by how much. `pixel_bound`: no normalised pixel is larger.
Quantised quantise(const Network& network, const Ranges& ranges, double pixel_bound, const QuantiseOptions& options);

}  // namespace flash::compiler
