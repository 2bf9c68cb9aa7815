// The folded float network: the same chain of layers as model::Architecture, with real weights.
// Value 0 is the input; value i + 1 is the activation of layer i's linear result x: a x^2 + b x + c or a sine, per
// channel.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compiler/curve.h"
#include "model/architecture.h"
#include "model/convolution.h"

namespace flash::compiler {

/// One summand of a linear map. A pooled source is *summed* over the window; the divisor is in the weights.
struct FloatTerm {
    int source = 0;
    std::optional<model::Window> pool;
    model::TermKind kind = model::TermKind::kScale;
    model::Window window;
    std::vector<double> weights;  ///< kConvolution: [out][in / groups][kernel_h][kernel_w]; kScale: one per channel
    int groups = 1;
};

struct FloatLayer {
    std::string name;
    std::vector<FloatTerm> terms;
    std::vector<double> bias;  ///< per output channel
    model::Shape output;
    std::optional<Curve> activation;  ///< absent for the result layer

    /// Null where the activation is another one.
    const Quadratic* quadratic() const { return activation ? std::get_if<Quadratic>(&*activation) : nullptr; }
    const Sine* sine() const { return activation ? std::get_if<Sine>(&*activation) : nullptr; }
};

/// A Clip that was left out. That is right as long as poly(x), channel by channel of the layer's first channels, stays
/// within its bounds.
struct LeftOutClip {
    std::string node;
    std::size_t layer = 0;
    Quadratic poly;
    double low = 0, high = 0;
};

struct Network {
    model::Shape input;
    std::vector<FloatLayer> layers;
    std::vector<LeftOutClip> clips;

    const model::Shape& value_shape(int value) const;
    model::Shape pooled_shape(const FloatTerm& term) const;
    /// Repacks the weights; to be called once, before evaluate().
    void prepare();
    /// Runs one image; visit(layer index, x) sees every linear result. Returns the last one. Thread-safe.
    std::vector<double> evaluate(std::span<const float> image,
                                 const std::function<void(std::size_t, const std::vector<double>&)>& visit = {}) const;

private:
    std::vector<std::vector<std::unique_ptr<model::Convolution>>> prepared_;
};

}  // namespace flash::compiler
