#include "support/float_graph_run.h"

#include <algorithm>
#include <functional>

namespace flash::testing {

using compiler::FloatGraph;
using compiler::GraphNode;
using Kind = GraphNode::Kind;

namespace {

std::vector<double> average(const std::vector<double>& in, const model::Shape& shape, const GraphNode& node) {
    const model::Window& w = node.window;
    std::vector<double> out;
    for (int c = 0; c < shape.channels; ++c)
        for (int y = 0; y < node.output.height; ++y)
            for (int x = 0; x < node.output.width; ++x) {
                double sum = 0;
                int inside = 0;
                for (int i = 0; i < w.kernel_h; ++i)
                    for (int j = 0; j < w.kernel_w; ++j) {
                        const int row = y * w.stride_h - w.pad_top + i, column = x * w.stride_w - w.pad_left + j;
                        if (row < 0 || column < 0 || row >= shape.height || column >= shape.width) continue;
                        sum += in[static_cast<std::size_t>((c * shape.height + row) * shape.width + column)];
                        ++inside;
                    }
                out.push_back(sum / (w.level ? inside : w.kernel_h * w.kernel_w));
            }
    return out;
}

}  // namespace

std::vector<double> run_float_graph(const FloatGraph& graph, const std::vector<float>& image) {
    std::vector<std::vector<double>> values{{image.begin(), image.end()}};
    for (const GraphNode& node : graph.nodes) {
        const std::vector<double>& in = values[static_cast<std::size_t>(node.inputs[0])];
        const auto channels = static_cast<std::size_t>(node.output.channels),
                   size = static_cast<std::size_t>(node.output.size()), plane = size / channels;
        std::vector<double> out(size);
        if (node.kind == Kind::kConvolution) {
            model::Convolution(node.weights, node.output.channels, graph.value_shape(node.inputs[0]), node.window,
                               node.groups)
                .add_to(in, out);
            for (std::size_t i = 0; i < size; ++i) out[i] += static_cast<double>(node.bias[i / plane]);
            if (node.inputs.size() > 1)
                std::ranges::transform(out, values[static_cast<std::size_t>(node.inputs[1])], out.begin(),
                                       std::plus<>());
        } else if (node.kind == Kind::kAverage) {
            out = average(in, graph.value_shape(node.inputs[0]), node);
        } else if (node.kind == Kind::kConcatenation) {
            out.clear();
            for (int input : node.inputs)
                out.insert(out.end(), values[static_cast<std::size_t>(input)].begin(),
                           values[static_cast<std::size_t>(input)].end());
        } else if (node.kind == Kind::kSum) {
            std::ranges::transform(in, values[static_cast<std::size_t>(node.inputs[1])], out.begin(), std::plus<>());
        } else {
            out = in;
        }
        if (node.activation)
            for (std::size_t i = 0; i < size; ++i)
                out[i] = (node.activation->a[i / plane] * out[i] + node.activation->b[i / plane]) * out[i] +
                         node.activation->c[i / plane];
        if (node.sine)
            for (std::size_t i = 0; i < size; ++i) out[i] = compiler::value_at(*node.sine, i / plane, out[i]);
        values.push_back(std::move(out));
    }
    return values.back();
}

}  // namespace flash::testing
