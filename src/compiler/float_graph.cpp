#include "compiler/float_graph.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace flash::compiler {
namespace {

using Kind = GraphNode::Kind;

/// Multiplies a convolution's outputs and adds to them.
void rescale(GraphNode& convolution, const std::vector<double>& scale, const std::vector<double>& shift) {
    const std::size_t fan = convolution.weights.size() / scale.size();
    for (std::size_t o = 0; o < scale.size(); ++o) {
        for (std::size_t k = o * fan; k < (o + 1) * fan; ++k)
            convolution.weights[k] = static_cast<float>(scale[o] * static_cast<double>(convolution.weights[k]));
        convolution.bias[o] = static_cast<float>(scale[o] * static_cast<double>(convolution.bias[o]) + shift[o]);
    }
}

/// The convolution with this polynomial behind it, if that is one node. a x^2 + b x + c = a (x + b / 2a)^2 + c - b^2 /
/// 4a, and where nothing is added to the convolution the factor can be one: its root goes into the weights.
bool fuse_quadratic(GraphNode& convolution, const Quadratic& poly) {
    if (convolution.activation) return false;
    const std::size_t channels = poly.a.size();
    const bool summed = convolution.inputs.size() > 1;
    if (std::ranges::all_of(poly.a, [](double a) { return a == 0; })) {
        if (summed && std::ranges::any_of(poly.b, [](double b) { return b != 1; })) return false;
        rescale(convolution, poly.b, poly.c);
        return true;
    }
    if (std::ranges::any_of(poly.a, [](double a) { return a == 0; })) return false;
    Quadratic square{std::vector<double>(channels), std::vector<double>(channels, 0.0), std::vector<double>(channels)};
    std::vector<double> scale(channels), shift(channels);
    for (std::size_t c = 0; c < channels; ++c) {
        const double root = summed ? 1 : std::sqrt(std::abs(poly.a[c]));
        scale[c] = root;
        shift[c] = root * poly.b[c] / (2 * poly.a[c]);
        square.a[c] = poly.a[c] / (root * root);
        square.c[c] = poly.c[c] - poly.b[c] * poly.b[c] / (4 * poly.a[c]);
    }
    rescale(convolution, scale, shift);
    convolution.activation = std::move(square);
    return true;
}

/// The sum as the convolution that is one of its operands, with the other added to it.
bool fuse_sum(GraphNode& sum, FloatGraph& graph, const std::vector<int>& readers) {
    for (std::size_t side : {1u, 0u}) {
        const int value = sum.inputs[side], other = sum.inputs[1 - side];
        if (value == 0 || value == other || readers[value] != 1) continue;
        GraphNode& operand = graph.nodes[value - 1];
        if (operand.kind != Kind::kConvolution || operand.activation || operand.inputs.size() != 1) continue;
        GraphNode fused = std::move(operand);
        fused.inputs.push_back(other);
        operand = {};
        sum = std::move(fused);
        return true;
    }
    return false;
}

}  // namespace

std::int64_t FloatGraph::multiply_adds() const {
    std::int64_t count = 0;
    for (const GraphNode& node : nodes)
        if (node.kind == Kind::kConvolution)
            count += node.output.size() * (value_shape(node.inputs[0]).channels / node.groups) * node.window.kernel_h *
                     node.window.kernel_w;
    return count;
}

void fuse(FloatGraph& graph) {
    // A node that was fused into its reader stays behind without inputs, so that values keep their numbers until the
    // end.
    std::vector<int> readers(graph.nodes.size() + 1, 0);
    for (const GraphNode& node : graph.nodes)
        for (int input : node.inputs) ++readers[input];
    for (GraphNode& node : graph.nodes) {
        if (node.kind == Kind::kSum) fuse_sum(node, graph, readers);
        if (node.kind != Kind::kQuadratic || node.inputs[0] == 0 ||
            readers[static_cast<std::size_t>(node.inputs[0])] != 1)
            continue;
        GraphNode& source = graph.nodes[static_cast<std::size_t>(node.inputs[0] - 1)];
        if (source.kind == Kind::kConvolution && !source.weights.empty() && fuse_quadratic(source, *node.activation)) {
            GraphNode fused = std::move(source);
            source = {};
            node = std::move(fused);
        }
    }
    std::vector<int> renumbered(graph.nodes.size() + 1, 0);
    std::vector<GraphNode> kept;
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        GraphNode& node = graph.nodes[i];
        if (node.inputs.empty()) continue;
        for (int& input : node.inputs) input = renumbered[input];
        kept.push_back(std::move(node));
        renumbered[i + 1] = static_cast<int>(kept.size());
    }
    graph.nodes = std::move(kept);
}

}  // namespace flash::compiler
