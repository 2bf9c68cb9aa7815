// Algebra of linear expressions: sums of convolved, pooled or scaled values plus a bias per channel. Linear operators
// are applied to the expression itself, so that everything between two activations becomes one layer.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "compiler/network.h"

namespace flash::compiler {

struct Linear {
    std::string name;  ///< of the ONNX node that produced it
    model::Shape shape;
    std::vector<FloatTerm> terms;
    std::vector<double> bias;
};

/// Whether zeros are put around the map.
bool padded(const model::Window& window);

/// The expression that is just a value.
Linear identity(int value, const model::Shape& shape);

/// shift[c] + scale[c] * expression[c].
void scale_channels(Linear& expression, std::span<const double> scale, std::span<const double> shift);

/// left + sign * right, of equal shapes. Terms that read the same thing the same way are merged.
Linear add(Linear left, Linear right, double sign);

// The next ones throw Error(kUnsupported), naming `node`, where the composition is not one layer.

/// Convolution with weights [out][in / groups][kernel_h][kernel_w] on top of the expression.
Linear convolve(const Linear& expression, const std::vector<double>& weights, int out_channels,
                const model::Window& window, const std::vector<double>& bias, const std::string& node, int groups = 1);

/// The expression as channels [first, first + its channels) of a wider one, of `channels`, that is zero elsewhere.
Linear embed(const Linear& expression, int first, int channels);

/// Average over windows; padding counts as zeros in the average, or not at all if the window is level.
Linear average_pool(const Linear& expression, const model::Window& window, const std::string& node);

}  // namespace flash::compiler
