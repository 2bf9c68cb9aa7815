// The scales of a model's integers: what the prediction of their errors and the quantisation itself must agree on.
#pragma once

#include <vector>

namespace flash::compiler {

/// What may be chosen.
struct Precision {
    int plain_bits = 0;            ///< width of the moduli T_1, ..., T_k
    std::vector<int> share_bits;   ///< m of every layer
    std::vector<int> amplitude{};  ///< S of every layer: of kAmplitudes for sines, 0 for all others
    bool operator==(const Precision&) const = default;
};

inline constexpr double kMaxInt8 = 127;  ///< the largest |int8 weight|

/// Positions of X on one side of zero that a range may fill: less the guard bit, rounding by up to one unit, and the
/// shift. Of a periodic activation a quarter of the 2^m positions of a period: the range of its channels (LayerRange)
/// is a quarter of their periods.
double positions(int share_bits, bool periodic = false);

/// The multiplier of a term whose largest weight is `largest` in units of its accumulator.
double choose_multiplier(double largest);
/// Scale of the integer pixels if the largest weight that reads them is `largest` for a scale of one: int8 weights with
/// a multiplier of one, within limits.
double choose_input_scale(double largest, double pixel_bound);

}  // namespace flash::compiler
