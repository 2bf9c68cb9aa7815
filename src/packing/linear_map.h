// A layer's linear map as matrices over polynomial shifts, and its application to ciphertext halves. The same code runs
// over the `a` halves once, when the model is loaded, and over the `b` halves in every inference.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "lattice/product_choice.h"
#include "lattice/shifted_product.h"
#include "model/model.h"
#include "packing/plan.h"

namespace flash::packing {

/// A convolution term, or the part of one in groups that some result polynomials share, all indices within a band:
/// out[first_row + r] += multiplier * sum_c weights[r][c] * X^shift_c * in[first_input + input_c]; the same in every
/// band.
struct TermMatrix {
    int stream = 0;
    std::size_t first_input = 0, first_row = 0;
    lattice::ShiftedProduct product;
};

/// One channel of an identity shortcut, or one weight of a depthwise convolution: out[output] += scale * X^shift *
/// in[input], indices within a band.
struct ScaledShift {
    std::uint32_t input = 0, output = 0;
    std::int32_t shift = 0;
    std::uint32_t scale = 0;
};

struct ScaleTerm {
    int stream = 0;
    std::size_t per_output = 0;        ///< entries of a result polynomial; the last one may have fewer
    std::vector<ScaledShift> entries;  ///< the outputs ascend
};

struct LinearMap {
    std::vector<TermMatrix> matrices;
    std::vector<ScaleTerm> scales;
    std::size_t memory_bytes() const;
};

/// What the products of layer `index` cost in an inference, one for each of the matrices that build_linear_map makes,
/// in their order.
std::vector<lattice::ProductOffer> product_offers(const model::Architecture& architecture, const Plan& plan, int index,
                                                  const lattice::ProductRates& rates,
                                                  InstructionSet set = best_instruction_set());

/// The secret weights of layer `index` arranged for its packing; nothing refers to `weights` afterwards.
/// methods: of its products, as many as offers; empty: each chosen by itself.
LinearMap build_linear_map(const model::Architecture& architecture, const Plan& plan, int index,
                           const model::LayerWeights& weights, std::span<const lattice::ProductMethod> methods = {});

/// The polynomials of a stream (all bands, contiguous, n words each).
using StreamPolynomials = std::function<std::span<const std::uint32_t>(int stream)>;

/// out += map(streams) for the `a` halves: out holds the layer's result polynomials, all bands, n words each. Exact mod
/// (X^n + 1, 2^32).
void apply_whole(const LinearMap& map, const Plan& plan, int index, const StreamPolynomials& streams,
                 std::span<std::uint32_t> out);

/// The same for the `b` halves of one band, at the coefficients that carry results: out holds the band's result
/// polynomials in the compact form of its tiles. Words of a stream must be zero in the low bytes that
/// Stream::zero_low_bytes() says.
void apply_results(const LinearMap& map, const Plan& plan, int index, int band, const StreamPolynomials& streams,
                   std::span<std::uint32_t> out);

}  // namespace flash::packing
