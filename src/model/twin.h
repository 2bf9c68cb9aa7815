// The clear-text twin: the compiled model on plain integers, with the arithmetic of the protocol and no cryptography.
// It is the oracle of the private run (and the other way round), and the quick way to measure deployed accuracy.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/model.h"
#include "model/phase.h"

namespace flash::model {

/// How 2^m times the sum of acc_i / T_i becomes the integer X, and the sine of X an integer.
struct Rounding {
    enum class Mode {
        kNearest,     ///< deterministic; a sine is sine_curve()
        kStochastic,  ///< floor or ceiling, unbiased: what the two-party truncation does; a sine is sine_of_shares()
                      ///< with uniform shares
    };
    Mode mode = Mode::kNearest;
    std::uint64_t seed = 0;  ///< for kStochastic
};

struct TwinLayer {
    Accumulators acc;             ///< exact, CHW
    std::vector<std::int32_t> x;  ///< X; of sines 0 <= X < 2^m
    std::vector<std::int64_t> y;  ///< Y; empty for the result layer
};

struct TwinResult {
    std::vector<std::int32_t> output;  ///< X of the last layer
    std::vector<float> logits;         ///< output_scale * output
    /// Values with |sum of acc_i / T_i| >= 1/4, X outside the guard range, or |Y| >= T/2 of its channel; none in layers
    /// of sines, which have no range. There the private run would be wrong. The twin goes on with X wrapped into
    /// [-2^(m-2), 3 * 2^(m-2)), one of the two values that the protocol may give.
    std::int64_t overflows = 0;
    std::vector<double> use;        ///< per layer: largest |sum of acc_i / T_i| / (1/4); 0 for sines
    std::vector<TwinLayer> layers;  ///< filled only when asked for
};

class Twin {
public:
    /// Keeps a reference to the model, and the weights in the form that the matrix products want. Thread-safe: one
    /// Twin, many run().
    explicit Twin(const Model& model);
    ~Twin();
    Twin(const Twin&) = delete;
    Twin& operator=(const Twin&) = delete;

    /// input: integer pixels from quantise_input. Deterministic. Throws Error(kInvalidArgument) on a wrong size.
    TwinResult run(std::span<const std::int32_t> input, Rounding rounding = {}, bool keep_layers = false) const;

    /// Exact accumulators of one layer from given integer values (index = value id; only the layer's sources are read).
    /// Lets a test check a private run layer by layer against what that run itself produced before.
    Accumulators accumulate(int layer, const std::vector<std::vector<std::int64_t>>& values) const;

private:
    struct Prepared;
    const Model& model_;
    std::vector<Prepared> layers_;
};

}  // namespace flash::model
