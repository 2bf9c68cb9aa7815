// Convolutions and fully connected layers.
#include <algorithm>

#include "compiler/onnx/node.h"
#include "compiler/onnx/operators.h"
#include "compiler/onnx/window.h"

namespace flash::compiler {
namespace {

/// weights: [out][in], where `in` is the order of the tensor's last dimension. That is all of the map, or its channels:
/// then the layer is a convolution of single pixels.
View fully_connected(Reader& reader, const onnx::NodeProto& node, const View& in, std::vector<double> weights,
                     std::int64_t inputs, std::int64_t outputs, std::vector<double> bias) {
    if (in.dimensions.empty() || in.dims().back() != inputs || outputs < 1 || outputs > model::kMaxChannels)
        broken("node " + label(node) + ": its weights do not fit its input");
    const int channels = static_cast<int>(outputs);
    const Axes all = in.order(), channel = view_as(0, in.shape, {{Axis::kChannel}}).dimensions[0];
    std::vector<Axes> dimensions = in.dimensions;
    dimensions.back() = {Axis::kChannel};
    if (in.dimensions.back() == all) {
        if (!in.in_order()) {
            const std::vector<std::int64_t> positions = in.positions();
            std::vector<double> turned(weights.size());
            for (std::size_t first = 0; first < weights.size(); first += positions.size())
                for (std::size_t i = 0; i < positions.size(); ++i)
                    turned[first + static_cast<std::size_t>(positions[i])] = weights[first + i];
            weights = std::move(turned);
        }
        // The fully connected layer is a convolution whose kernel is the map.
        const View out =
            reader.append(layer_name(node), {channels, 1, 1},
                          Convolve{in.value, std::move(weights), std::move(bias), {in.shape.height, in.shape.width}});
        return view_as(out.value, out.shape, dimensions);
    }
    const bool last = in.dimensions.back() == channel && (in.shape.channels > 1 || in.channels_last());
    if (!last)
        unsupported(label(node),
                    "its input is not flattened, nor are the channels its last dimension. Put a Flatten in front of "
                    "it, or use a 1 x 1 convolution");
    const View out = reader.append(layer_name(node), {channels, in.shape.height, in.shape.width},
                                   Convolve{in.value, std::move(weights), std::move(bias), {}});
    return view_as(out.value, out.shape, dimensions);
}

/// The matrix [in][out], or [out][in] if transposed, as [out][in] times alpha.
std::vector<double> outputs_first(const Constant& matrix, bool transposed, double alpha) {
    const auto outputs = static_cast<std::size_t>(matrix.dims[transposed ? 0 : 1]),
               inputs = static_cast<std::size_t>(matrix.dims[transposed ? 1 : 0]);
    std::vector<double> weights(matrix.values.size());
    for (std::size_t o = 0; o < outputs; ++o)
        for (std::size_t i = 0; i < inputs; ++i)
            weights[o * inputs + i] = alpha * matrix.values[transposed ? o * inputs + i : i * outputs + o];
    return weights;
}

}  // namespace

View read_conv(Reader& reader, const onnx::NodeProto& node) {
    const View& in = reader.image(node, 0);
    const Constant& weights = reader.needed_constant(node, 1, "the weights of a convolution");
    if (weights.dims.size() != 4) unsupported(label(node), "it is not a two-dimensional convolution");
    const std::vector<std::int64_t> kernel = integers_attribute(node, "kernel_shape");
    if (!kernel.empty() && kernel != std::vector<std::int64_t>{weights.dims[2], weights.dims[3]})
        broken("node " + label(node) + ": its weights do not fit its kernel_shape");
    const std::int64_t groups = integer_attribute(node, "group", 1);
    if (groups < 1 || in.shape.channels % groups != 0 || weights.dims[0] % groups != 0 ||
        weights.dims[1] != in.shape.channels / groups)
        broken("node " + label(node) + ": its weights do not fit its input");
    const model::Window window = read_window(node, in, {weights.dims[2], weights.dims[3]});
    if (weights.dims[0] < 1 || weights.dims[0] > model::kMaxChannels)
        unsupported(label(node), "it has too many output channels");
    const auto outputs = static_cast<std::size_t>(weights.dims[0]);
    std::vector<double> bias(outputs, 0.0);
    if (Reader::has_input(node, 2)) bias = reader.needed_constant(node, 2, "the bias of a convolution").values;
    if (bias.size() != outputs) broken("node " + label(node) + ": its bias does not fit its weights");
    const std::string name = layer_name(node);
    return reader.append(name, window_output(in.shape, static_cast<int>(outputs), window, name),
                         Convolve{in.value, weights.values, std::move(bias), window, static_cast<int>(groups)});
}

View read_gemm(Reader& reader, const onnx::NodeProto& node) {
    const View& in = reader.unpadded(node, 0);
    const Constant& matrix = reader.needed_constant(node, 1, "the weights of Gemm");
    if (integer_attribute(node, "transA", 0) != 0) unsupported(label(node), "transA is not supported");
    if (matrix.dims.size() != 2) broken("node " + label(node) + ": its weights are not a matrix");
    const bool transposed = integer_attribute(node, "transB", 0) != 0;
    const std::int64_t outputs = matrix.dims[transposed ? 0 : 1];
    if (in.dimensions.size() != 2) unsupported(label(node), "its input is not flattened. Put a Flatten in front of it");
    std::vector<double> bias(static_cast<std::size_t>(outputs), 0.0);
    if (Reader::has_input(node, 2)) {
        const double beta = float_attribute(node, "beta", 1);
        const Constant& c = reader.needed_constant(node, 2, "the bias of Gemm");
        if (c.values.size() != 1 && c.values.size() != bias.size())
            broken("node " + label(node) + ": its bias does not fit its weights");
        for (std::size_t o = 0; o < bias.size(); ++o) bias[o] = beta * c.values[c.values.size() == 1 ? 0 : o];
    }
    return fully_connected(reader, node, in, outputs_first(matrix, transposed, float_attribute(node, "alpha", 1)),
                           matrix.dims[transposed ? 1 : 0], outputs, std::move(bias));
}

View read_matmul(Reader& reader, const onnx::NodeProto& node) {
    if (reader.constant(node, 0))
        unsupported(label(node), "it multiplies a constant by a map. Flash multiplies maps by matrices from the right");
    const View& in = reader.unpadded(node, 0);
    Constant matrix = reader.needed_constant(node, 1, "the right-hand side of MatMul");
    while (matrix.dims.size() > 2 && matrix.dims.front() == 1) matrix.dims.erase(matrix.dims.begin());
    if (matrix.dims.size() != 2) unsupported(label(node), "its right-hand side is not a matrix");
    const std::int64_t outputs = matrix.dims[1];
    return fully_connected(reader, node, in, outputs_first(matrix, false, 1), matrix.dims[0], outputs,
                           std::vector<double>(static_cast<std::size_t>(std::max<std::int64_t>(outputs, 0)), 0.0));
}

}  // namespace flash::compiler
