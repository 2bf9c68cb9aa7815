// What each ONNX operator becomes in the Builder, and what is said about those that Flash cannot run.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "compiler/onnx_importer.h"

namespace flash::compiler {

using model::Shape;
using model::Window;

void broken(const std::string& what) { throw Error(ErrorKind::kFile, "ONNX model: " + what); }
void unsupported(const std::string& node, const std::string& why) {
    throw Error(ErrorKind::kUnsupported, fmt::format("node {}: {}", node, why));
}

std::string label(const onnx::NodeProto& node) {
    std::string name = !node.name().empty() ? node.name() : node.output_size() > 0 ? node.output(0) : std::string();
    if (name.size() > 200) name.resize(200);
    return fmt::format("{} ({})", name, node.op_type());
}

std::string layer_name(const onnx::NodeProto& node) {
    std::string name = !node.name().empty() ? node.name() : node.output(0);
    while (!name.empty() && name.front() == '/') name.erase(0, 1);
    if (name.size() > 200) name.resize(200);
    return name;
}

std::string advice(const std::string& op) {
    static const std::set<std::string> activations = {
        "Relu", "LeakyRelu", "PRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh",
        "Elu",  "Selu",      "Celu",  "Gelu",    "Softplus",    "Softsign",  "Clip",
        "Erf",  "Abs",       "Exp",   "Log",     "Sqrt",        "Sign",      "ThresholdedRelu"};
    if (activations.contains(op))
        return "private inference evaluates activations as polynomials of degree two. Replace it by x*x + x and "
               "retrain (see docs/training.md)";
    if (op == "MaxPool" || op == "GlobalMaxPool" || op == "Max" || op == "ReduceMax" || op == "LpPool")
        return "maxima are not polynomials. Replace max pooling by average pooling or by a convolution of stride 2, "
               "and retrain";
    if (op == "Softmax" || op == "LogSoftmax")
        return "the client computes it from the logits by itself. Export the network without it: the order of the "
               "classes is the same";
    if (op == "LayerNormalization" || op == "InstanceNormalization" || op == "GroupNormalization" || op == "LRN")
        return "it divides by a statistic of the image. Use batch normalisation, which folds into the layer before it";
    if (op == "If" || op == "Loop" || op == "Scan")
        return "control flow is not supported. Export the network as a fixed graph";
    if (op == "QuantizeLinear" || op == "DequantizeLinear" || op == "QLinearConv" || op == "ConvInteger")
        return "Flash quantises by itself. Export the network in 32-bit float";
    if (op == "ConvTranspose") return "transposed convolutions are not supported. Use ordinary convolutions";
    return "this operator is not supported. Flash runs Conv, BatchNormalization, x*x + x, Add, average pooling, "
           "Flatten and Gemm (see docs/compiler.md)";
}

namespace {

bool padded(const Window& w) { return w.pad_top != 0 || w.pad_left != 0 || w.pad_bottom != 0 || w.pad_right != 0; }

}  // namespace

Tensor Importer::convolution(const onnx::NodeProto& node) {
    Tensor& in = image(node, 0);
    const Constant& weights = constant_input(node, 1, "the weights of a convolution");
    if (weights.dims.size() != 4) unsupported(label(node), "it is not a two-dimensional convolution");
    const std::int64_t groups = integer_attribute(node, "group", 1);
    if (groups < 1 || in.shape.channels % groups != 0 || weights.dims[0] % groups != 0 ||
        weights.dims[1] != in.shape.channels / groups)
        broken("node " + label(node) + ": its weights do not fit its input");
    const Window w = window(node, in, {weights.dims[2], weights.dims[3]});
    if (weights.dims[0] < 1 || weights.dims[0] > model::kMaxChannels)
        unsupported(label(node), "it has too many output channels");
    const auto outputs = static_cast<std::size_t>(weights.dims[0]);
    std::vector<double> bias(outputs, 0.0);
    if (has_input(node, 2)) bias = constant_input(node, 2, "the bias of a convolution").values;
    if (bias.size() != outputs) broken("node " + label(node) + ": its bias does not fit its weights");
    return builder_->convolve(in, weights.values, static_cast<int>(outputs), w, bias, layer_name(node),
                              static_cast<int>(groups));
}

Tensor Importer::concatenation(const onnx::NodeProto& node) {
    std::vector<Tensor> tensors;
    for (int i = 0; i < node.input_size(); ++i) tensors.push_back(plain(node, i));
    const std::int64_t axis = integer_attribute(node, "axis", 0), rank = tensors[0].flat ? 2 : 4;
    if (axis != 1 && axis != 1 - rank) unsupported(label(node), "Flash concatenates along the channels only (axis 1)");
    return builder_->concatenate(tensors, layer_name(node));
}

Tensor Importer::clip(const onnx::NodeProto& node) {
    const auto bound = [&](int index, const char* name, double fallback) {
        if (!has_input(node, index)) return float_attribute(node, name, fallback);
        const auto value = as_scalar(constant_input(node, index, "the bounds of a Clip"));
        if (!value) unsupported(label(node), "its bounds are not single numbers");
        return *value;
    };
    const double infinity = std::numeric_limits<double>::infinity();
    return builder_->clip(plain(node, 0), bound(1, "min", -infinity), bound(2, "max", infinity), label(node));
}

Tensor Importer::batch_norm(const onnx::NodeProto& node) {
    Tensor& in = plain(node, 0);
    if (integer_attribute(node, "training_mode", 0) != 0)
        unsupported(label(node), "it is in training mode. Call model.eval() before the export");
    if (in.flat && in.shape.size() != in.shape.channels)
        unsupported(label(node),
                    "batch normalisation of a flattened map is not supported. Normalise before flattening, or after "
                    "the fully connected layer");
    const auto channels = size(in.shape.channels);
    const double epsilon = float_attribute(node, "epsilon", 1e-5);
    const std::vector<double>* p[4];
    for (int i = 0; i < 4; ++i) {
        p[i] = &constant_input(node, i + 1, "the parameters of a batch norm").values;
        if (p[i]->size() != channels) broken("node " + label(node) + ": its parameters do not fit its input");
    }
    std::vector<double> scale(channels), shift(channels);
    for (std::size_t c = 0; c < channels; ++c) {
        scale[c] = (*p[0])[c] / std::sqrt((*p[3])[c] + epsilon);
        if (!std::isfinite(scale[c]))
            throw Error(ErrorKind::kInvalidArgument,
                        fmt::format("node {}: its variance is negative or zero", label(node)));
        shift[c] = (*p[1])[c] - scale[c] * (*p[2])[c];
    }
    return builder_->normalise(in, scale, shift, layer_name(node));
}

Tensor Importer::sum(const onnx::NodeProto& node, double sign) {
    if (node.input_size() != 2) broken("node " + label(node) + " must have two inputs");
    const Constant* left = constant(node.input(0));
    const Constant* right = constant(node.input(1));
    if (left || right) {
        Tensor& in = plain(node, left ? 1 : 0);
        std::vector<double> shift = per_channel(node, left ? *left : *right, in);
        if (right)
            for (double& value : shift) value *= sign;
        return builder_->affine(in, std::vector<double>(shift.size(), left ? sign : 1.0), shift);
    }
    return builder_->add(plain(node, 0), plain(node, 1), sign, layer_name(node));
}

Tensor Importer::product(const onnx::NodeProto& node) {
    if (node.input_size() != 2) broken("node " + label(node) + " must have two inputs");
    const Constant* left = constant(node.input(0));
    const Constant* right = constant(node.input(1));
    if (left || right) {
        Tensor& in = plain(node, left ? 1 : 0);
        const std::vector<double> scale = per_channel(node, left ? *left : *right, in);
        return builder_->affine(in, scale, std::vector<double>(scale.size(), 0.0));
    }
    return builder_->multiply(plain(node, 0), plain(node, 1), label(node));
}

Tensor Importer::quotient(const onnx::NodeProto& node) {
    const Constant* divisor = node.input_size() == 2 ? constant(node.input(1)) : nullptr;
    if (!divisor)
        unsupported(label(node), "it divides by something that depends on the image. Flash divides by constants");
    Tensor& in = plain(node, 0);
    std::vector<double> scale = per_channel(node, *divisor, in);
    for (double& value : scale) {
        if (value == 0)
            throw Error(ErrorKind::kInvalidArgument, fmt::format("node {}: it divides by zero", label(node)));
        value = 1 / value;
    }
    return builder_->affine(in, scale, std::vector<double>(scale.size(), 0.0));
}

Tensor Importer::power(const onnx::NodeProto& node) {
    const auto exponent = as_scalar(constant_input(node, 1, "the exponents of Pow"));
    Tensor& in = plain(node, 0);
    if (exponent == 1.0) return in;
    if (exponent != 2.0)
        unsupported(label(node), "its exponent is not 2. Flash runs activations of degree two, a*x*x + b*x + c");
    return builder_->multiply(in, in, label(node));
}

Tensor Importer::average_pool(const onnx::NodeProto& node) {
    Tensor& in = image(node, 0);
    const Window own = window(node, Tensor{{}, in.shape}, integers_attribute(node, "kernel_shape"));
    Window w = window(node, in, integers_attribute(node, "kernel_shape"));
    if (string_attribute(node, "auto_pad", "NOTSET").starts_with("SAME") && in.pads != std::array<int, 4>{})
        unsupported(label(node), "a Pad in front of auto_pad is not supported");
    const bool include = integer_attribute(node, "count_include_pad", 0) != 0;
    w.level = padded(own) && !include;
    if (integer_attribute(node, "ceil_mode", 0) != 0) {
        // Windows that stick out at the end: as many rows of padding as they need, which no mean counts. None begins
        // beyond the map.
        const auto stick_out = [](int extent, int before, int& after, int kernel, int stride) {
            int last = (extent + before + after - kernel + stride - 1) / stride * stride;
            if (last >= extent + before) last -= stride;
            const int more = last + kernel - (extent + before + after);
            after += std::max(more, 0);
            return more > 0;
        };
        const bool rows = stick_out(in.shape.height, w.pad_top, w.pad_bottom, w.kernel_h, w.stride_h);
        const bool columns = stick_out(in.shape.width, w.pad_left, w.pad_right, w.kernel_w, w.stride_w);
        if ((rows || columns) && (in.pads != std::array<int, 4>{} || (padded(own) && include)))
            unsupported(label(node),
                        "ceil_mode with windows that stick out beyond a padding that counts is not supported. Use "
                        "ceil_mode=False");
        w.level = w.level || rows || columns;
    }
    if (w.level && in.pads != std::array<int, 4>{})
        unsupported(label(node), "a Pad in front of padding that does not count is not supported");
    if (w.level) {
        try {
            if (w.out_height(in.shape.height) > 0 && w.out_width(in.shape.width) > 0) model::pool_levels(in.shape, w);
        } catch (const Error&) {
            unsupported(label(node),
                        "its windows hold too many different numbers of pixels near the border. Export it with "
                        "count_include_pad=True, or without padding");
        }
    }
    return builder_->average_pool(in, w, layer_name(node));
}

Tensor Importer::global_pool(const onnx::NodeProto& node, Tensor& in, bool flat) {
    Tensor out = builder_->average_pool(in, {in.shape.height, in.shape.width}, layer_name(node));
    out.flat = flat;
    return out;
}

Tensor Importer::mean(const onnx::NodeProto& node) {
    Tensor& in = plain(node, 0);
    std::vector<std::int64_t> axes =
        has_input(node, 1) ? as_integers(constant_input(node, 1, "axes")) : integers_attribute(node, "axes");
    for (std::int64_t& axis : axes) axis += axis < 0 ? 4 : 0;
    std::ranges::sort(axes);
    if (in.flat || axes != std::vector<std::int64_t>{2, 3})
        unsupported(label(node),
                    "Flash takes means over both spatial axes (2 and 3) only. Use adaptive average pooling to 1 x 1");
    return global_pool(node, in, integer_attribute(node, "keepdims", 1) == 0);
}

Tensor Importer::fully_connected(const onnx::NodeProto& node, Tensor& in, std::vector<double> weights,
                                 std::int64_t outputs, const std::vector<double>& bias) {
    if (!in.flat) unsupported(label(node), "its input is not flattened. Put a Flatten in front of it");
    if (in.channels_last) {  // from [out][row][column][channel] to [out][channel][row][column]
        const std::size_t channels = size(in.shape.channels), area = size(in.shape.height) * size(in.shape.width);
        std::vector<double> turned(weights.size());
        for (std::size_t o = 0; o < size(static_cast<int>(outputs)); ++o)
            for (std::size_t p = 0; p < area; ++p)
                for (std::size_t c = 0; c < channels; ++c)
                    turned[(o * channels + c) * area + p] = weights[(o * area + p) * channels + c];
        weights = std::move(turned);
    }
    // A flattened map is read in the order channel, row, column: the fully connected layer is a convolution whose
    // kernel is the map.
    Tensor out = builder_->convolve(in, weights, static_cast<int>(outputs), {in.shape.height, in.shape.width}, bias,
                                    layer_name(node));
    out.flat = true;
    return out;
}

Tensor Importer::gemm(const onnx::NodeProto& node) {
    Tensor& in = features(node);
    const Constant& matrix = constant_input(node, 1, "the weights of Gemm");
    if (integer_attribute(node, "transA", 0) != 0) unsupported(label(node), "transA is not supported");
    if (matrix.dims.size() != 2) broken("node " + label(node) + ": its weights are not a matrix");
    const bool transposed = integer_attribute(node, "transB", 0) != 0;
    const std::int64_t outputs = matrix.dims[transposed ? 0 : 1], inputs = matrix.dims[transposed ? 1 : 0];
    if (inputs != in.shape.size() || outputs < 1 || outputs > model::kMaxChannels)
        broken("node " + label(node) + ": its weights do not fit its input");
    const double alpha = float_attribute(node, "alpha", 1), beta = float_attribute(node, "beta", 1);
    std::vector<double> weights(matrix.values.size());
    for (std::int64_t o = 0; o < outputs; ++o)
        for (std::int64_t i = 0; i < inputs; ++i)
            weights[static_cast<std::size_t>(o * inputs + i)] =
                alpha * matrix.values[static_cast<std::size_t>(transposed ? o * inputs + i : i * outputs + o)];
    std::vector<double> bias(static_cast<std::size_t>(outputs), 0.0);
    if (has_input(node, 2)) {
        const Constant& c = constant_input(node, 2, "the bias of Gemm");
        if (c.values.size() != 1 && c.values.size() != bias.size())
            broken("node " + label(node) + ": its bias does not fit its weights");
        for (std::size_t o = 0; o < bias.size(); ++o) bias[o] = beta * c.values[c.values.size() == 1 ? 0 : o];
    }
    return fully_connected(node, in, std::move(weights), outputs, bias);
}

Tensor Importer::matmul(const onnx::NodeProto& node) {
    const Constant& matrix = constant_input(node, 1, "the right-hand side of MatMul");
    Tensor& in = features(node);
    if (matrix.dims.size() != 2) unsupported(label(node), "its right-hand side is not a matrix");
    const std::int64_t inputs = matrix.dims[0], outputs = matrix.dims[1];
    if (inputs != in.shape.size() || outputs < 1 || outputs > model::kMaxChannels)
        broken("node " + label(node) + ": its weights do not fit its input");
    std::vector<double> weights(matrix.values.size());
    for (std::int64_t o = 0; o < outputs; ++o)
        for (std::int64_t i = 0; i < inputs; ++i)
            weights[static_cast<std::size_t>(o * inputs + i)] =
                matrix.values[static_cast<std::size_t>(i * outputs + o)];
    return fully_connected(node, in, std::move(weights), outputs,
                           std::vector<double>(static_cast<std::size_t>(outputs), 0.0));
}

Tensor Importer::reshape(const onnx::NodeProto& node) {
    Tensor out = features(node);
    const std::string& op = node.op_type();
    const std::vector<std::int64_t> from = dims(out);
    std::vector<std::int64_t> to;
    if (op == "Flatten") {
        const auto rank = static_cast<std::int64_t>(from.size());
        std::int64_t axis = integer_attribute(node, "axis", 1);
        if (axis < 0) axis += rank;
        if (axis < 0 || axis > rank) broken("node " + label(node) + ": its axis is out of range");
        to.assign(2, 1);
        for (std::int64_t i = 0; i < rank; ++i) to[i < axis ? 0 : 1] *= from[static_cast<std::size_t>(i)];
    } else if (op == "Reshape") {
        to = reshape_dims(from, as_integers(constant_input(node, 1, "the target of a Reshape")),
                          integer_attribute(node, "allowzero", 0) != 0);
    } else if (op == "Transpose") {
        using Order = std::vector<std::int64_t>;
        const Order perm = integers_attribute(node, "perm");
        if (out.flat ? perm == Order{0, 1} : perm == Order{0, 1, 2, 3}) return out;
        if (out.flat || perm != (out.channels_last ? Order{0, 3, 1, 2} : Order{0, 2, 3, 1}))
            unsupported(label(node), "the order of axes must stay [N, C, H, W]. Remove the transposition");
        out.channels_last = !out.channels_last;
        return out;
    } else {  // Squeeze, Unsqueeze: let the constant rules work out the shape
        Constant shape{from, {}};
        std::vector<const Constant*> inputs{&shape};
        if (has_input(node, 1)) inputs.push_back(&constant_input(node, 1, "axes"));
        to = fold(node, inputs)->dims;
    }
    const bool to_flat = to.size() == 2 && to[0] == 1;
    const std::vector<std::int64_t> map = dims({{}, out.shape, false, out.channels_last});
    const bool same_map = to == map;
    if (!to_flat && !same_map)
        unsupported(label(node),
                    "Flash reshapes [N, C, H, W] to [N, C*H*W] only, as Flatten does (and drops or adds spatial axes "
                    "of extent 1)");
    out.flat = to_flat;
    return out;
}

Tensor Importer::pad(const onnx::NodeProto& node) {
    Tensor out = tensor(node, 0);
    if (string_attribute(node, "mode", "constant") != "constant")
        unsupported(label(node), "only padding by zeros is supported");
    const std::vector<std::int64_t> pads = as_integers(constant_input(node, 1, "the pads of Pad"));
    if (has_input(node, 2) && as_scalar(constant_input(node, 2, "the value of Pad")) != 0.0)
        unsupported(label(node), "only padding by zeros is supported");
    if (std::ranges::all_of(pads, [](std::int64_t p) { return p == 0; })) return out;
    if (out.flat || pads.size() != 8 || pads[0] != 0 || pads[1] != 0 || pads[4] != 0 || pads[5] != 0)
        unsupported(label(node), "only the two spatial axes can be padded");
    const std::int64_t spatial[] = {pads[2], pads[3], pads[6], pads[7]};
    for (std::size_t i = 0; i < 4; ++i) {
        if (spatial[i] < 0 || spatial[i] > model::kMaxExtent)
            unsupported(label(node), "its padding is negative or too large");
        out.pads[i] = std::min(out.pads[i] + static_cast<int>(spatial[i]), model::kMaxExtent);
    }
    return out;
}

void Importer::import(const onnx::NodeProto& node) {
    const std::string& op = node.op_type();
    if (node.output_size() < 1 || node.output(0).empty()) broken("a node has no output");
    if (!node.domain().empty() && node.domain() != "ai.onnx")
        unsupported(label(node), "it is an operator of the extension " + node.domain() + ", which Flash does not know");
    for (int i = 1; i < node.output_size(); ++i)
        if (!node.output(i).empty() && op != "Dropout" && op != "BatchNormalization")
            unsupported(label(node), "it has more than one output. " + advice(op));

    std::vector<const Constant*> inputs;
    bool constant_inputs = true;
    for (int i = 0; i < node.input_size(); ++i) {
        inputs.push_back(has_input(node, i) ? constant(node.input(i)) : nullptr);
        constant_inputs = constant_inputs && (inputs.back() || !has_input(node, i));
    }
    const std::string& output = node.output(0);
    if (op == "Shape" && !constant_inputs) {
        Constant shape{{}, {}};
        for (std::int64_t dim : dims(plain(node, 0))) shape.values.push_back(static_cast<double>(dim));
        shape.dims = {static_cast<std::int64_t>(shape.values.size())};
        constants_[output] = shape;
        return;
    }
    if (constant_inputs) {
        std::optional<Constant> folded = fold(node, inputs);
        if (!folded) unsupported(label(node), advice(op));
        constants_[output] = std::move(*folded);
        return;
    }

    std::optional<Tensor> result;
    if (op == "Conv")
        result = convolution(node);
    else if (op == "BatchNormalization")
        result = batch_norm(node);
    else if (op == "Add")
        result = sum(node, 1);
    else if (op == "Sub")
        result = sum(node, -1);
    else if (op == "Mul")
        result = product(node);
    else if (op == "Div")
        result = quotient(node);
    else if (op == "Pow")
        result = power(node);
    else if (op == "AveragePool")
        result = average_pool(node);
    else if (op == "GlobalAveragePool") {
        image(node, 0);
        result = global_pool(node, plain(node, 0), false);
    } else if (op == "Concat")
        result = concatenation(node);
    else if (op == "Clip")
        result = clip(node);
    else if (op == "ReduceMean")
        result = mean(node);
    else if (op == "Gemm")
        result = gemm(node);
    else if (op == "MatMul")
        result = matmul(node);
    else if (op == "Flatten" || op == "Reshape" || op == "Transpose" || op == "Squeeze" || op == "Unsqueeze")
        result = reshape(node);
    else if (op == "Pad")
        result = pad(node);
    else if (op == "Identity")
        result = tensor(node, 0);
    else if (op == "Neg") {
        Tensor& in = plain(node, 0);
        result = builder_->affine(in, std::vector<double>(size(in.shape.channels), -1.0),
                                  std::vector<double>(size(in.shape.channels), 0.0));
    } else if (op == "Dropout") {
        if (has_input(node, 2) && as_scalar(constant_input(node, 2, "the mode of Dropout")) != 0.0)
            unsupported(label(node), "it is in training mode. Call model.eval() before the export");
        result = tensor(node, 0);
    } else if (op == "Cast") {
        const std::int64_t to = integer_attribute(node, "to", 0);
        if (to != onnx::TensorProto::FLOAT && to != onnx::TensorProto::DOUBLE)
            unsupported(label(node), "it casts a map to a type other than float");
        result = tensor(node, 0);
    } else {
        unsupported(label(node), advice(op));
    }
    tensors_[output] = std::move(*result);
}

}  // namespace flash::compiler
