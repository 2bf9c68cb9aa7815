// Which arrangement computes a shifted product in less time on this machine. A decision of the one who computes alone: it changes no bit
// of any result. It looks at public sizes only, never at weights.
#pragma once

#include <cstddef>

#include "base/instruction_set.h"
#include "lattice/arrangement.h"

namespace flash::lattice {

/// Transformed weights of one product may take so much; and they must save a fifth of the time, as they take far more memory than int8.
inline constexpr std::size_t kMaxTransformBytes = std::size_t{64} << 20;
inline constexpr double kWorthTransforms = 0.8;

/// What one thread does. Measured at the first use of each instruction set, in a few milliseconds.
struct ProductRates {
    double direct_multiply_add;     ///< seconds for a word or byte
    double transform;               ///< seconds for a transform of n = 2048
    double transform_multiply_add;  ///< seconds for a residue
};
const ProductRates& product_rates(InstructionSet set);

/// Whether transforms are worth it. direct: the same product on words or bytes.
bool choose_transforms(const ProductMatrix& matrix, const Arrangement& direct, const ProductUse& use, InstructionSet set);

}  // namespace flash::lattice
