// A layer's linear map as matrices over polynomial shifts, and its application to ciphertext halves. The same code runs over
// the `a` halves once, when the model is loaded, and over the `b` halves in every inference.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "lattice/kernels/conv.h"
#include "model/model.h"
#include "packing/plan.h"

namespace flash::protocol {

/// One convolution term: out[row] += multiplier * sum_c weights[row][c] * X^shift_c * in[input_c]; the same in every band.
struct TermMatrix {
    int stream = 0;
    std::vector<lattice::ShiftedInput> columns;
    std::vector<std::int8_t> weights;  ///< [polynomials_per_band of the layer][columns]
    std::uint32_t multiplier = 1;
};

/// One channel of an identity shortcut: out[output] += scale * X^shift * in[input], indices within a band.
struct ScaledShift {
    std::uint32_t input = 0, output = 0, shift = 0, scale = 0;
};

struct ScaleTerm {
    int stream = 0;
    std::vector<ScaledShift> channels;
};

struct LinearMap {
    std::vector<TermMatrix> matrices;
    std::vector<ScaleTerm> scales;
};

/// The secret weights of layer `index` arranged for its packing.
LinearMap build_linear_map(const model::Model& model, const packing::Plan& plan, int index);

/// The polynomials of a stream (all bands, contiguous, n words each).
using StreamPolynomials = std::function<std::span<const std::uint32_t>(int stream)>;

/// out += map(streams): out holds the layer's result polynomials, all bands, n words each. Exact mod (X^n + 1, 2^32).
void apply(const LinearMap& map, const packing::Plan& plan, int index, const StreamPolynomials& streams,
           std::span<std::uint32_t> out);

}  // namespace flash::protocol
