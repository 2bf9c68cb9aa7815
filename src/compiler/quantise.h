// From the float network and its ranges to the integers of a compiled model, for one T and the m of every layer.
//
// Per output channel o, with R_o the range that must fit (compiler/margin.h):
//   delta_o = R_o / (2^(m-2) - 3.5)                       x = delta_o * (X - shift_o)
//   s_o     = delta_o * 2^m / T                           what one unit of the accumulator is worth
//   weights = round(w * y_scale[source channel] / s_o / g)     int8; g: one integer per term
//   kappa   = round(b / (a delta_o)),  shift_o = (b / (a delta_o) - kappa) / 2
// T is that of the source channel. The bias is in units of the layer's T_1 (model::Architecture::bias_modulus), and so
// are all sums over channels in the code: a channel with modulus T_i counts as if its Y were worth T_i / T_1 as much.
// Of a layer of sines, with S and the period of each channel:
//   delta_o = period_o / 2^m,  shift_o = phase_o / (2 pi) 2^m,  y = amplitude_o / S^2 Y;  the bias counts mod T
// The shift of at most a quarter unit, added through the bias, makes a x^2 + b x + c = a delta^2 (X^2 + kappa X +
// offset) hold with an integer kappa for any coefficients. Weights of one kernel are rounded so that their sum stays
// exact to half a unit: neighbouring pixels are alike, so what their weights' errors have in common matters most.
#pragma once

#include <vector>

#include "compiler/calibrate.h"
#include "compiler/margin.h"
#include "compiler/network.h"
#include "compiler/scales.h"
#include "model/model.h"

namespace flash::compiler {

struct Quantised {
    model::Architecture architecture;        ///< without name, preprocessing and classes
    model::SecretWeights weights;            ///< without salt
    std::vector<std::vector<double>> shift;  ///< [layer][channel]: x = x_scale * (X - shift)
};

/// Error(kRange) naming the layer that does not fit, its range, by how much, and what to do. A layer gets fewer share
/// bits than `precision` says if its noise asks for it. pixel_bound: no normalised pixel is larger. slots: in which the
/// moduli are.
Quantised quantise(const Network& network, const Calibration& calibration, const std::vector<LayerRange>& ranges,
                   double pixel_bound, const Precision& precision, const model::SlotChoice& slots);

/// The layers' shapes, without any choice of integers: m and T have some valid value.
model::Architecture skeleton(const Network& network);

}  // namespace flash::compiler
