// Which arrangement computes a shifted product in less time on this machine. A decision of the one who computes alone:
// it changes no bit of any result. It looks at public sizes only, never at weights.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/instruction_set.h"
#include "lattice/shifted_product.h"

namespace flash::lattice {

/// Transforms must save a fifth of the time, as they take far more memory than int8 weights.
inline constexpr double kWorthTransforms = 0.8;
/// What transformed weights may take where nobody says otherwise.
inline constexpr std::size_t kTransformBudget = std::size_t{64} << 20;

/// What one thread does. Measured at the first use of each instruction set, in a few milliseconds.
struct ProductRates {
    double direct_multiply_add;     ///< seconds for a word or byte
    double transform;               ///< seconds for a transform of n = 2048
    double transform_multiply_add;  ///< seconds for a residue
};
const ProductRates& product_rates(InstructionSet set);

/// A product without its weights.
struct ProductShape {
    std::size_t n, inputs, rows;
    std::span<const ShiftedInput> columns;
};

/// What a product costs either way.
struct ProductOffer {
    double direct_seconds = 0, transform_seconds = 0;  ///< of one thread
    std::size_t transform_bytes = 0;                   ///< 0: transforms are not for these sizes
};
/// use: where it will be applied; its method is not looked at.
ProductOffer offer_of(const ProductShape& shape, const ProductUse& use, const ProductRates& rates, InstructionSet set);

/// A method for each product: transforms where they are worth it, those first that save the most time for their bytes,
/// as long as all of them together take at most budget_bytes. Depends on nothing but its arguments.
std::vector<ProductMethod> choose_methods(std::span<const ProductOffer> offers, std::size_t budget_bytes);

/// Whether a product that is needed once, at all coefficients, takes less time through transforms that are made on the
/// way. direct_multiply_adds: of the direct way. columns: of the product; the shape's may be empty.
bool passing_transforms_pay(const ProductShape& shape, double direct_multiply_adds, std::size_t columns,
                            const ProductRates& rates);

}  // namespace flash::lattice
