// Symbolic evaluation of a network: every tensor is, channel by channel, a polynomial of degree at most two or a sine
// of one linear expression, or a concatenation of such parts. Batch norms, constants and the activation in any
// algebraic shape reduce to it; a polynomial of degree two and a sine become a layer (a value) when something linear is
// applied to them.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compiler/curve.h"
#include "compiler/linear.h"

namespace flash::compiler {

/// A tensor of the graph: its parts, one after the other along the channels.
struct Tensor {
    std::vector<Part> parts;
    model::Shape shape;
    bool concatenated = false;  ///< its parts may be read by others too, each with a batch norm of its own
};

class Builder {
public:
    /// spanned: bases of which a first pass over the same graph made several activations (several_activations()). Their
    /// layers get every channel twice, with two activations that span all polynomials of degree two; the others are
    /// linear combinations of them.
    explicit Builder(const model::Shape& input, std::set<int> spanned = {});

    Tensor input() const;
    /// A tensor that is the expression itself.
    Tensor from_linear(Linear expression);
    /// scale[c] * tensor[c] + shift[c], kept as a polynomial of the same expression.
    Tensor affine(Tensor tensor, const std::vector<double>& scale, const std::vector<double>& shift) const;
    /// The same for a batch norm: its result is what an activation will act on, so a linear tensor becomes a new
    /// expression.
    Tensor normalise(const Tensor& tensor, const std::vector<double>& scale, const std::vector<double>& shift,
                     const std::string& node);
    /// left + sign * right and left * right, of equal shapes. The operands may be rewritten to an equal form on another
    /// base.
    Tensor add(Tensor& left, Tensor& right, double sign, const std::string& node);
    Tensor multiply(Tensor& left, Tensor& right, const std::string& node);
    /// sin(tensor) or cos(tensor).
    Tensor sine(Tensor tensor, bool cosine, const std::string& node);
    /// Tensors of equal height and width, one after the other along the channels.
    Tensor concatenate(const std::vector<Tensor>& tensors) const;
    /// Convolution with weights [out][in / groups][kernel_h][kernel_w]; over a concatenation it is a sum over the
    /// parts.
    Tensor convolve(const Tensor& tensor, const std::vector<double>& weights, int out_channels,
                    const model::Window& window, const std::vector<double>& bias, const std::string& node,
                    int groups = 1);
    /// Average over windows; padding counts as zeros in the average, or not at all if the window is level.
    Tensor average_pool(const Tensor& tensor, const model::Window& window, const std::string& node);
    /// The tensor itself, with a note that it must stay within these bounds.
    Tensor clip(Tensor tensor, double low, double high, const std::string& node);

    /// The tensor as a linear expression of values; a curve becomes a value. With allow_bias, a
    /// value that differs from an existing one by a factor and a constant is expressed through it.
    Linear linear(const Tensor& tensor, bool allow_bias, const std::string& node);
    /// The network that ends in this tensor, without layers that it does not need.
    Network finish(const Tensor& result, const std::string& node);
    /// Bases of which more than one activation became a layer of its own, where linear combinations of two would do.
    std::set<int> several_activations() const;

private:
    struct Base {
        Linear linear;
        std::vector<std::pair<Curve, int>> values;  // activations of this expression that are values
        std::optional<Part> origin;                 // this expression is a value: that curve of that base
        // How many of the values have readers that a constant may be added for: linear combinations of two activations
        // could stand for all of these.
        int replaceable = 0;
        std::optional<Quadratic> normalised;  // the first linear function u of this expression that was squared
        // The two activations of every channel of which the others are linear combinations: as polynomials of u, for
        // all channels the first and then the second, and the value that holds them.
        struct TwoActivations {
            Quadratic polynomials;
            int value;
        };
        std::optional<TwoActivations> two_activations;
    };
    struct Clip {
        Part part;
        double low, high;
        std::string node;
    };
    Linear linear(const Part& part, bool allow_bias, const std::string& node);
    Quadratic in_normalised(const Base& base, const Quadratic& poly) const;
    std::optional<Linear> combine(const Part& part, const std::string& node);
    int materialise(const Part& part, const std::string& node);
    void make_value(Part& part, const std::string& node);
    void refuse_linear_activation(int base, const Quadratic& poly, const std::string& node) const;
    int add_layer(const Base& from, Linear linear, const Curve& curve, const std::string& node);
    int base_of_value(const Part& origin, int value);
    void align(Part& left, Part& right) const;
    Part add(Part& left, Part& right, double sign, const std::string& node);
    Part multiply(Part& left, Part& right, const std::string& node);
    std::vector<LeftOutClip> left_out_clips(const std::vector<int>& renumbered, const Part& last) const;

    model::Shape input_;
    std::set<int> spanned_;
    std::vector<Base> bases_;
    std::vector<FloatLayer> layers_;
    std::vector<Clip> clips_;
};

}  // namespace flash::compiler
