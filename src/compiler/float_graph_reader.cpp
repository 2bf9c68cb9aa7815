// From an ONNX graph to a FloatGraph. A tensor is a polynomial of degree two of one value, channel by channel, until
// something other than arithmetic with constants reads it: so the many ways to write a batch norm or an activation all
// become one node.
#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "compiler/float_graph.h"
#include "compiler/onnx_importer.h"

namespace flash::compiler {
namespace {

using Kind = GraphNode::Kind;

class GraphReader {
public:
    explicit GraphReader(const onnx::ModelProto& model) : graph_(model.graph()) {}

    FloatGraph run() {
        for (const onnx::TensorProto& tensor : graph_.initializer())
            constants_[tensor.name()] = read_tensor(tensor, "tensor " + tensor.name());
        read_input();
        std::set<std::string> wanted{graph_.output(0).name()};
        std::set<const onnx::NodeProto*> needed;
        for (int i = graph_.node_size(); i-- > 0;) {
            const onnx::NodeProto& node = graph_.node(i);
            if (std::ranges::none_of(node.output(), [&](const std::string& name) { return wanted.contains(name); }))
                continue;
            needed.insert(&node);
            wanted.insert(node.input().begin(), node.input().end());
        }
        for (const onnx::NodeProto& node : graph_.node())
            if (needed.contains(&node)) read(node);
        const int result = value_of(tensor(graph_.output(0).name(), "the output"));
        if (result != static_cast<int>(result_.nodes.size())) broken("its output is not what it computes last");
        fuse(result_);
        return std::move(result_);
    }

private:
    struct Symbol {
        int value = 0;
        Quadratic poly;
        model::Shape shape;
        std::array<int, 4> pads{};  ///< that a Pad node put around it: top, left, bottom, right
    };

    static Quadratic unit(int channels) {
        const auto count = static_cast<std::size_t>(channels);
        return {std::vector<double>(count, 0.0), std::vector<double>(count, 1.0), std::vector<double>(count, 0.0)};
    }

    void read_input() {
        for (const onnx::ValueInfoProto& input : graph_.input()) {
            if (constants_.contains(input.name())) continue;
            const auto& dims = input.type().tensor_type().shape().dim();
            if (dims.size() != 4) throw Error(ErrorKind::kUnsupported, "the input is not [N, C, H, W]");
            for (int i = 1; i < 4; ++i)
                if (dims[i].dim_value() < 1 || dims[i].dim_value() > model::kMaxExtent)
                    throw Error(ErrorKind::kUnsupported, "the size of the input is not fixed, or too large");
            result_.input = {static_cast<int>(dims[1].dim_value()), static_cast<int>(dims[2].dim_value()),
                             static_cast<int>(dims[3].dim_value())};
            tensors_[input.name()] = {0, unit(result_.input.channels), result_.input};
        }
    }

    Symbol& tensor(const std::string& name, const std::string& reader) {
        const auto found = tensors_.find(name);
        if (found == tensors_.end()) unsupported(reader, "it reads " + name + ", which is no map");
        return found->second;
    }
    Symbol& tensor(const onnx::NodeProto& node, int index) {
        if (index >= node.input_size()) broken("node " + label(node) + " lacks an input");
        return tensor(node.input(index), label(node));
    }
    const Constant* constant(const onnx::NodeProto& node, int index) const {
        if (index >= node.input_size()) return nullptr;
        const auto found = constants_.find(node.input(index));
        return found == constants_.end() ? nullptr : &found->second;
    }
    const Constant& needed_constant(const onnx::NodeProto& node, int index) const {
        const Constant* found = constant(node, index);
        if (!found) unsupported(label(node), "its parameters are not constants of the model");
        return *found;
    }

    Symbol append(GraphNode node) {
        const model::Shape shape = node.output;
        if (shape.channels < 1 || shape.height < 1 || shape.width < 1) broken("a window does not fit its map");
        if (shape.channels > model::kMaxChannels || shape.height > model::kMaxExtent || shape.width > model::kMaxExtent)
            throw Error(ErrorKind::kUnsupported, "the ONNX model has a map that is larger than Flash allows");
        result_.nodes.push_back(std::move(node));
        return {static_cast<int>(result_.nodes.size()), unit(shape.channels), shape};
    }

    /// The number of a tensor's value; a polynomial becomes a node, once.
    int value_of(const Symbol& symbol) {
        if (symbol.poly == unit(symbol.shape.channels)) return symbol.value;
        auto& known = polynomials_[symbol.value];
        for (const auto& [poly, value] : known)
            if (poly == symbol.poly) return value;
        const int value = append({Kind::kQuadratic, {symbol.value}, symbol.shape, {}, 1, {}, {}, symbol.poly}).value;
        known.emplace_back(symbol.poly, value);
        origins_.emplace(value, std::pair(symbol.value, symbol.poly));
        return value;
    }

    std::vector<double> per_channel(const onnx::NodeProto& node, const Constant& c, const Symbol& of) const {
        const auto channels = static_cast<std::size_t>(of.shape.channels);
        if (const auto value = as_scalar(c)) return std::vector<double>(channels, *value);
        if (c.values.size() != channels)
            unsupported(label(node), "its constant is neither one number nor one per channel");
        return c.values;
    }

    static Symbol affine(Symbol symbol, const std::vector<double>& scale, const std::vector<double>& shift) {
        for (std::size_t c = 0; c < scale.size(); ++c) {
            symbol.poly.a[c] *= scale[c];
            symbol.poly.b[c] *= scale[c];
            symbol.poly.c[c] = symbol.poly.c[c] * scale[c] + shift[c];
        }
        return symbol;
    }

    /// Rewrites a tensor as scale * value + shift, if it is that polynomial of the value's own operand.
    bool rebase(Symbol& symbol, int value) const {
        const auto origin = origins_.find(value);
        if (origin == origins_.end() || origin->second.first != symbol.value) return false;
        const Quadratic &p = symbol.poly, &q = origin->second.second;
        Quadratic line = unit(symbol.shape.channels);
        const auto close = [](double x, double y) {
            return std::abs(x - y) <= 1e-9 * std::max(std::abs(x), std::abs(y));
        };
        for (std::size_t c = 0; c < p.a.size(); ++c) {
            const double scale = q.a[c] != 0 ? p.a[c] / q.a[c] : q.b[c] != 0 ? p.b[c] / q.b[c] : 0;
            if (!close(p.a[c], scale * q.a[c]) || !close(p.b[c], scale * q.b[c])) return false;
            line.b[c] = scale;
            line.c[c] = close(p.c[c], scale * q.c[c]) ? 0 : p.c[c] - scale * q.c[c];
        }
        symbol.value = value;
        symbol.poly = std::move(line);
        return true;
    }
    /// Two tensors that depend on one value, directly or through a polynomial of it that is a value itself, as
    /// polynomials of the same.
    void align(Symbol& left, Symbol& right) const {
        if (left.value != right.value && !rebase(left, right.value)) rebase(right, left.value);
    }

    static bool too_high(const Quadratic& left, const Quadratic& right) {
        for (std::size_t c = 0; c < left.a.size(); ++c)
            if ((left.a[c] != 0 && (right.a[c] != 0 || right.b[c] != 0)) || (right.a[c] != 0 && left.b[c] != 0))
                return true;
        return false;
    }

    Symbol product(const onnx::NodeProto& node, Symbol& left, Symbol& right) {
        align(left, right);
        if (left.value == right.value && too_high(left.poly, right.poly)) {
            // An activation of an activation: the inner one becomes a value.
            const int value = value_of(right);
            rebase(left, value);
            rebase(right, value);
        }
        if (left.value != right.value) unsupported(label(node), "it multiplies two different maps");
        if (too_high(left.poly, right.poly)) unsupported(label(node), "it makes a polynomial of degree three or more");
        Symbol result = left;
        for (std::size_t c = 0; c < left.poly.a.size(); ++c) {
            const double a1 = left.poly.a[c], b1 = left.poly.b[c], c1 = left.poly.c[c];
            const double a2 = right.poly.a[c], b2 = right.poly.b[c], c2 = right.poly.c[c];
            result.poly.a[c] = a1 * c2 + b1 * b2 + c1 * a2;
            result.poly.b[c] = b1 * c2 + c1 * b2;
            result.poly.c[c] = c1 * c2;
        }
        return result;
    }

    Symbol sum(const onnx::NodeProto& node, Symbol& left, Symbol& right, double sign) {
        if (left.shape != right.shape) unsupported(label(node), "it adds maps of different shapes");
        align(left, right);
        if (left.value == right.value) {
            Symbol result = left;
            for (std::size_t c = 0; c < left.poly.a.size(); ++c) {
                result.poly.a[c] += sign * right.poly.a[c];
                result.poly.b[c] += sign * right.poly.b[c];
                result.poly.c[c] += sign * right.poly.c[c];
            }
            return result;
        }
        const std::vector<double> signs(static_cast<std::size_t>(right.shape.channels), sign), zeros(signs.size(), 0.0);
        const int first = value_of(left), second = value_of(affine(right, signs, zeros));
        return append({Kind::kSum, {first, second}, left.shape, {}, 1, {}, {}, {}});
    }

    model::Window window(const onnx::NodeProto& node, const Symbol& in, const std::vector<std::int64_t>& kernel) const {
        const auto integers = [&](const char* name, std::size_t count, int fallback) {
            std::vector<std::int64_t> values = integers_attribute(node, name);
            if (values.empty()) values.assign(count, fallback);
            if (values.size() != count ||
                std::ranges::any_of(values, [&](std::int64_t v) { return v < fallback || v > model::kMaxExtent; }))
                unsupported(label(node), fmt::format("Flash does not run these {}", name));
            return std::vector<int>(values.begin(), values.end());
        };
        if (kernel.size() != 2 || kernel[0] < 1 || kernel[1] < 1 || kernel[0] > model::kMaxExtent ||
            kernel[1] > model::kMaxExtent)
            unsupported(label(node), "it is not two-dimensional, or too large");
        if (string_attribute(node, "auto_pad", "NOTSET") != "NOTSET" || integer_attribute(node, "ceil_mode", 0) != 0)
            unsupported(label(node), "auto_pad and ceil_mode are not read here");
        const auto stride = integers("strides", 2, 1), pads = integers("pads", 4, 0),
                   dilation = integers("dilations", 2, 1);
        return {static_cast<int>(kernel[0]),
                static_cast<int>(kernel[1]),
                stride[0],
                stride[1],
                pads[0] + in.pads[0],
                pads[1] + in.pads[1],
                pads[2] + in.pads[2],
                pads[3] + in.pads[3],
                dilation[0],
                dilation[1]};
    }

    Symbol convolve(const Symbol& in, const std::vector<double>& weights, std::vector<double> bias, int outputs,
                    const model::Window& w, int groups) {
        return append({Kind::kConvolution,
                       {value_of(in)},
                       {outputs, w.out_height(in.shape.height), w.out_width(in.shape.width)},
                       w,
                       groups,
                       std::vector<float>(weights.begin(), weights.end()),
                       std::vector<float>(bias.begin(), bias.end()),
                       {}});
    }

    Symbol convolution(const onnx::NodeProto& node) {
        const Symbol& in = tensor(node, 0);
        const Constant& weights = needed_constant(node, 1);
        const std::int64_t groups = integer_attribute(node, "group", 1);
        if (weights.dims.size() != 4 || groups < 1 || weights.dims[1] * groups != in.shape.channels ||
            weights.dims[0] % groups != 0)
            broken("node " + label(node) + ": its weights do not fit its input");
        std::vector<double> bias(static_cast<std::size_t>(weights.dims[0]), 0.0);
        if (node.input_size() > 2) bias = needed_constant(node, 2).values;
        if (bias.size() != static_cast<std::size_t>(weights.dims[0]))
            broken("node " + label(node) + ": its bias does not fit its weights");
        return convolve(in, weights.values, bias, static_cast<int>(weights.dims[0]),
                        window(node, in, {weights.dims[2], weights.dims[3]}), static_cast<int>(groups));
    }

    Symbol batch_norm(const onnx::NodeProto& node) {
        const Symbol& in = tensor(node, 0);
        std::vector<double> scale = needed_constant(node, 1).values, shift = needed_constant(node, 2).values;
        const std::vector<double>&mean = needed_constant(node, 3).values, &variance = needed_constant(node, 4).values;
        const auto channels = static_cast<std::size_t>(in.shape.channels);
        if (scale.size() != channels || shift.size() != channels || mean.size() != channels ||
            variance.size() != channels)
            broken("node " + label(node) + ": its parameters do not fit its input");
        for (std::size_t c = 0; c < scale.size(); ++c) {
            scale[c] /= std::sqrt(variance[c] + float_attribute(node, "epsilon", 1e-5));
            shift[c] -= scale[c] * mean[c];
        }
        return affine(in, scale, shift);
    }

    Symbol average(const onnx::NodeProto& node, model::Window w) {
        const Symbol& in = tensor(node, 0);
        return append({Kind::kAverage,
                       {value_of(in)},
                       {in.shape.channels, w.out_height(in.shape.height), w.out_width(in.shape.width)},
                       w,
                       1,
                       {},
                       {},
                       {}});
    }

    Symbol fully_connected(const onnx::NodeProto& node, bool transposed, double alpha, std::vector<double> bias) {
        const Symbol& in = tensor(node, 0);
        const Constant& matrix = needed_constant(node, 1);
        if (matrix.dims.size() != 2 || matrix.dims[transposed ? 1 : 0] != in.shape.size())
            broken("node " + label(node) + ": its weights do not fit its input");
        const auto outputs = static_cast<std::size_t>(matrix.dims[transposed ? 0 : 1]),
                   inputs = static_cast<std::size_t>(in.shape.size());
        std::vector<double> weights(outputs * inputs);
        for (std::size_t o = 0; o < outputs; ++o)
            for (std::size_t i = 0; i < inputs; ++i)
                weights[o * inputs + i] = alpha * matrix.values[transposed ? o * inputs + i : i * outputs + o];
        if (bias.size() > 1 && bias.size() != outputs)
            broken("node " + label(node) + ": its bias does not fit its weights");
        bias.resize(outputs, bias.size() == 1 ? bias[0] : 0.0);
        return convolve(in, weights, bias, static_cast<int>(outputs), {in.shape.height, in.shape.width}, 1);
    }

    Symbol gemm(const onnx::NodeProto& node) {
        if (integer_attribute(node, "transA", 0) != 0) unsupported(label(node), "transA is not supported");
        std::vector<double> bias;
        if (node.input_size() > 2) bias = needed_constant(node, 2).values;
        for (double& value : bias) value *= float_attribute(node, "beta", 1);
        return fully_connected(node, integer_attribute(node, "transB", 0) != 0, float_attribute(node, "alpha", 1),
                               std::move(bias));
    }

    Symbol concatenation(const onnx::NodeProto& node) {
        GraphNode result{Kind::kConcatenation, {}, tensor(node, 0).shape, {}, 1, {}, {}, {}};
        const std::int64_t axis = integer_attribute(node, "axis", 0);
        if (axis != 1 && axis != -3) unsupported(label(node), "Flash concatenates along the channels only (axis 1)");
        if (node.input_size() == 1) return tensor(node, 0);
        result.output.channels = 0;
        for (int i = 0; i < node.input_size(); ++i) {
            const Symbol in = tensor(node, i);
            if (in.shape.height != result.output.height || in.shape.width != result.output.width)
                unsupported(label(node), "it concatenates maps of different sizes");
            result.output.channels = std::min(result.output.channels + in.shape.channels, model::kMaxChannels + 1);
            result.inputs.push_back(value_of(in));
        }
        return append(std::move(result));
    }

    Symbol pad(const onnx::NodeProto& node) {
        Symbol result = tensor(node, 0);
        const std::vector<std::int64_t> pads = as_integers(needed_constant(node, 1));
        if (string_attribute(node, "mode", "constant") != "constant" || pads.size() != 8 ||
            (constant(node, 2) && as_scalar(*constant(node, 2)) != 0.0))
            unsupported(label(node), "only padding by zeros is supported");
        for (std::size_t i = 0; i < 4; ++i) {
            const std::int64_t pad = pads[(i / 2) * 4 + 2 + i % 2];
            if (pad < 0 || pad + result.pads[i] > model::kMaxExtent)
                unsupported(label(node), "its padding is negative or too large");
            result.pads[i] += static_cast<int>(pad);
        }
        return result;
    }

    Symbol arithmetic(const onnx::NodeProto& node) {
        const std::string& op = node.op_type();
        const Constant *left = constant(node, 0), *right = constant(node, 1);
        if (op == "Pow") {
            if (as_scalar(needed_constant(node, 1)) != 2.0) unsupported(label(node), "its exponent is not 2");
            return product(node, tensor(node, 0), tensor(node, 0));
        }
        if (op == "Div" && !right) unsupported(label(node), "it divides by a map");
        if (!left && !right)
            return op == "Mul" ? product(node, tensor(node, 0), tensor(node, 1))
                               : sum(node, tensor(node, 0), tensor(node, 1), op == "Add" ? 1 : -1);
        const Symbol& in = tensor(node, left ? 1 : 0);
        std::vector<double> values = per_channel(node, left ? *left : *right, in);
        const std::vector<double> ones(values.size(), 1.0), zeros(values.size(), 0.0);
        if (op == "Mul") return affine(in, values, zeros);
        if (op == "Add") return affine(in, ones, values);
        if (op == "Div") {
            for (double& value : values) value = 1 / value;
            return affine(in, values, zeros);
        }
        if (left) return affine(in, std::vector<double>(values.size(), -1.0), values);
        for (double& value : values) value = -value;
        return affine(in, ones, values);
    }

    void read(const onnx::NodeProto& node) {
        const std::string& op = node.op_type();
        std::vector<const Constant*> inputs;
        for (int i = 0; i < node.input_size(); ++i) inputs.push_back(constant(node, i));
        const std::string& output = node.output(0);
        if (std::ranges::none_of(inputs, [](const Constant* c) { return c == nullptr; })) {
            std::optional<Constant> folded = fold(node, inputs);
            if (!folded) unsupported(label(node), advice(op));
            constants_[output] = std::move(*folded);
            return;
        }
        const bool spatial = op == "Conv" || op == "AveragePool" || op == "Pad";
        if (!spatial && tensors_.contains(node.input(0)) && tensor(node, 0).pads != std::array<int, 4>{})
            unsupported(label(node), "a Pad stands in front of it");
        Symbol result;
        if (op == "Conv")
            result = convolution(node);
        else if (op == "BatchNormalization")
            result = batch_norm(node);
        else if (op == "Add" || op == "Sub" || op == "Mul" || op == "Div" || op == "Pow")
            result = arithmetic(node);
        else if (op == "AveragePool") {
            const Symbol& in = tensor(node, 0);
            model::Window w = window(node, in, integers_attribute(node, "kernel_shape"));
            w.level = integer_attribute(node, "count_include_pad", 0) == 0 &&
                      std::ranges::any_of(integers_attribute(node, "pads"), [](std::int64_t p) { return p != 0; });
            if (w.level && in.pads != std::array<int, 4>{})
                unsupported(label(node), "a Pad stands in front of padding that does not count");
            result = average(node, w);
        } else if (op == "GlobalAveragePool" || op == "ReduceMean") {
            std::vector<std::int64_t> axes = op == "ReduceMean" ? (constant(node, 1) ? as_integers(*constant(node, 1))
                                                                                     : integers_attribute(node, "axes"))
                                                                : std::vector<std::int64_t>{2, 3};
            for (std::int64_t& axis : axes) axis += axis < 0 ? 4 : 0;
            std::ranges::sort(axes);
            if (axes != std::vector<std::int64_t>{2, 3})
                unsupported(label(node), "Flash takes means over both spatial axes (2 and 3) only");
            result = average(node, {tensor(node, 0).shape.height, tensor(node, 0).shape.width});
        } else if (op == "Concat")
            result = concatenation(node);
        else if (op == "Gemm")
            result = gemm(node);
        else if (op == "MatMul")
            result = fully_connected(node, false, 1, {});
        else if (op == "Pad")
            result = pad(node);
        else if (op == "Flatten" || op == "Reshape" || op == "Squeeze" || op == "Unsqueeze" || op == "Identity" ||
                 op == "Dropout" || op == "Cast")
            result = tensor(node, 0);
        else if (op == "Neg") {
            const auto channels = static_cast<std::size_t>(tensor(node, 0).shape.channels);
            result = affine(tensor(node, 0), std::vector<double>(channels, -1.0), std::vector<double>(channels, 0.0));
        } else
            unsupported(label(node), advice(op));
        tensors_[output] = std::move(result);
    }

    const onnx::GraphProto& graph_;
    std::map<std::string, Constant> constants_;
    std::map<std::string, Symbol> tensors_;
    std::map<int, std::vector<std::pair<Quadratic, int>>> polynomials_;  ///< of a value: those that are nodes
    std::map<int, std::pair<int, Quadratic>> origins_;                   ///< the other way round
    FloatGraph result_;
};

}  // namespace

FloatGraph import_float_graph(std::span<const std::uint8_t> bytes) {
    const google::protobuf::LogSilencer silence;
    onnx::ModelProto model;
    if (bytes.empty() || !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
        model.graph().node_size() == 0 || model.graph().output_size() != 1)
        broken("not an ONNX file of one network, or truncated");
    return GraphReader(model).run();
}

FloatGraph import_float_graph(const std::filesystem::path& path) {
    return import_float_graph(read_file(path.string(), 0x7fffffff));
}

}  // namespace flash::compiler
