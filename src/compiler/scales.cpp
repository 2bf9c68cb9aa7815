#include "compiler/scales.h"

#include <algorithm>
#include <cmath>

namespace flash::compiler {
namespace {

constexpr double kMinInputLimit = 1 << 10, kMaxInputLimit = 1 << 14;  // of the integer pixels

}  // namespace

double positions(int share_bits, bool periodic) { return std::ldexp(1.0, share_bits - 2) - (periodic ? 0 : 3.5); }

double choose_multiplier(double largest) { return std::max(1.0, std::ceil(largest / kMaxInt8 - 1e-9)); }

double choose_input_scale(double largest, double pixel_bound) {
    return std::clamp(largest > 0 ? kMaxInt8 / largest : 0.0, pixel_bound / kMaxInputLimit,
                      pixel_bound / kMinInputLimit);
}

}  // namespace flash::compiler
