// Symbolic evaluation of a network: every tensor is a per-channel polynomial of degree at most two of one linear
// expression. Batch norms, constants and the activation in any algebraic shape reduce to it; a polynomial of degree two
// becomes a layer (a value) when something linear is applied to it.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compiler/linear.h"

namespace flash::compiler {

/// A tensor of the graph:  poly(bases[base])  channel by channel.
struct Tensor {
    int base = 0;
    Quadratic poly;
    model::Shape shape;
    bool flat = false;                ///< its ONNX shape is [N, C*H*W]
    std::array<int, 4> pads{};        ///< zeros that a Pad node put around it: top, left, bottom, right
};

class Builder {
public:
    explicit Builder(const model::Shape& input);

    Tensor input() const;
    /// A tensor that is the expression itself.
    Tensor from_linear(Linear expression);
    /// scale[c] * tensor[c] + shift[c], kept as a polynomial of the same expression.
    Tensor affine(Tensor tensor, const std::vector<double>& scale, const std::vector<double>& shift) const;
    /// The same for a batch norm: its result is what an activation will act on, so a linear tensor becomes a new expression.
    Tensor normalise(const Tensor& tensor, const std::vector<double>& scale, const std::vector<double>& shift, const std::string& node);
    /// left + sign * right and left * right. The operands may be rewritten to an equal form on another base.
    Tensor add(Tensor& left, Tensor& right, double sign, const std::string& node);
    Tensor multiply(Tensor& left, Tensor& right, const std::string& node);

    /// The tensor as a linear expression of values; a polynomial of degree two becomes a value. With allow_bias, a value that
    /// differs from an existing one by a factor and a constant is expressed through it.
    Linear linear(const Tensor& tensor, bool allow_bias, const std::string& node);
    /// The network that ends in this tensor, without layers that it does not need.
    Network finish(const Tensor& result, const std::string& node);

private:
    struct Base {
        Linear linear;
        std::vector<std::pair<Quadratic, int>> values;          // activations of this expression that are values
        std::optional<std::pair<int, Quadratic>> origin;        // this expression is a value: that polynomial of that base
    };
    int materialise(int base, const Quadratic& poly, const std::string& node);
    int base_of_value(int base, const Quadratic& poly, int value);
    void align(Tensor& left, Tensor& right) const;

    model::Shape input_;
    std::vector<Base> bases_;
    std::vector<FloatLayer> layers_;
};

}  // namespace flash::compiler
