#include "compiler/onnx/reader.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>

#include "base/error.h"
#include "compiler/onnx/fold.h"
#include "compiler/onnx/node.h"
#include "compiler/onnx/operators.h"

namespace flash::compiler {

using model::Shape;

void Reader::check_opset() const {
    std::int64_t version = 0;
    for (const auto& opset : model_.opset_import())
        if (opset.domain().empty() || opset.domain() == "ai.onnx") version = opset.version();
    if (version == 0) broken("it does not say which operator set it uses");
    if (version < 11 || version > 17)
        throw Error(
            ErrorKind::kUnsupported,
            fmt::format("the ONNX model uses operator set {}; Flash reads 11 to 17. Export it with opset_version=17",
                        version));
}

void Reader::read_initializers() {
    for (const onnx::TensorProto& tensor : graph_.initializer())
        constants_[tensor.name()] = read_tensor(tensor, "tensor " + tensor.name());
    if (graph_.sparse_initializer_size() > 0)
        throw Error(ErrorKind::kUnsupported, "the ONNX model has sparse weights; export dense ones");
}

void Reader::read_input() {
    const onnx::ValueInfoProto* input = nullptr;
    for (const onnx::ValueInfoProto& candidate : graph_.input()) {
        if (constants_.contains(candidate.name())) continue;
        if (input)
            throw Error(ErrorKind::kUnsupported,
                        "the ONNX model has more than one input; Flash runs networks of one image");
        input = &candidate;
    }
    if (!input) broken("it has no input");
    const auto& dims = input->type().tensor_type().shape().dim();
    if (dims.size() != 4 && dims.size() != 2)
        throw Error(ErrorKind::kUnsupported, fmt::format("the input {} has {} dimensions; Flash wants [N, C, H, W]",
                                                         input->name(), dims.size()));
    Shape shape{1, 1, 1};
    int* extents[] = {&shape.channels, &shape.height, &shape.width};
    for (int i = 1; i < dims.size(); ++i) {
        const std::int64_t extent = dims[i].has_dim_value() ? dims[i].dim_value() : 0;
        if (extent < 1 || extent > model::kMaxChannels)
            throw Error(
                ErrorKind::kUnsupported,
                fmt::format(
                    "dimension {} of the input {} is not a fixed size from 1 to {}. Export the network with a fixed "
                    "image size (only the batch size may vary)",
                    i, input->name(), model::kMaxChannels));
        *extents[i - 1] = static_cast<int>(extent);
    }
    if (shape.height > model::kMaxExtent || shape.width > model::kMaxExtent || shape.size() > model::kMaxMapValues)
        throw Error(ErrorKind::kUnsupported, "the input is larger than Flash allows");
    if (dims[0].has_dim_value() && dims[0].dim_value() > 1)
        throw Error(ErrorKind::kUnsupported,
                    fmt::format("the input {} has a fixed batch of {}. Export the network for batches of 1",
                                input->name(), dims[0].dim_value()));
    result_.input = shape;
    View view = image_view(0, shape);
    view.dimensions.resize(static_cast<std::size_t>(dims.size()));
    views_[input->name()] = view;
}

std::set<const onnx::NodeProto*> Reader::needed_nodes() const {
    std::set<std::string> wanted{graph_.output(0).name()};
    std::set<const onnx::NodeProto*> nodes;
    for (int i = graph_.node_size(); i-- > 0;) {
        const onnx::NodeProto& node = graph_.node(i);
        if (std::ranges::none_of(node.output(),
                                 [&](const std::string& name) { return !name.empty() && wanted.contains(name); }))
            continue;
        nodes.insert(&node);
        wanted.insert(node.input().begin(), node.input().end());
    }
    return nodes;
}

const Constant* Reader::constant(const onnx::NodeProto& node, int index) const {
    if (!has_input(node, index)) return nullptr;
    const auto found = constants_.find(node.input(index));
    return found == constants_.end() ? nullptr : &found->second;
}

const Constant& Reader::needed_constant(const onnx::NodeProto& node, int index, const char* what) const {
    const Constant* found = constant(node, index);
    if (!found) unsupported(label(node), fmt::format("{} must be constants of the model", what));
    return *found;
}

const View& Reader::view(const onnx::NodeProto& node, int index) const {
    if (!has_input(node, index)) broken("node " + label(node) + " lacks an input");
    const auto found = views_.find(node.input(index));
    if (found == views_.end()) {
        if (constants_.contains(node.input(index)))
            unsupported(label(node), "it applies to a constant here, where Flash expects a map");
        broken("node " + label(node) + " reads " + node.input(index) + ", which nothing before it computes");
    }
    return found->second;
}

const View& Reader::unpadded(const onnx::NodeProto& node, int index) const {
    const View& found = view(node, index);
    if (found.padded())
        unsupported(label(node), "a Pad is supported in front of a convolution or an average pooling only");
    return found;
}

const View& Reader::image(const onnx::NodeProto& node, int index) const {
    const View& found = view(node, index);
    if (found.image()) return found;
    if (found.flat()) unsupported(label(node), "it applies to a flattened tensor; Flash expects [N, C, H, W] here");
    if (found.dimensions.size() != 4)
        unsupported(label(node), fmt::format("it applies to a tensor of {} dimensions; Flash expects [N, C, H, W] here",
                                             found.dimensions.size()));
    unsupported(label(node),
                "the order of axes must stay [N, C, H, W]. Only flattening and a fully connected layer may follow a "
                "transposition");
}

View Reader::append(const std::string& node, const Shape& output, decltype(Operation::what) what) {
    result_.operations.push_back({node, output, std::move(what)});
    return image_view(static_cast<int>(result_.operations.size()), output);
}

View Reader::append_alike(const std::string& node, const View& in, decltype(Operation::what) what) {
    View out = in;
    out.value = append(node, in.shape, std::move(what)).value;
    return out;
}

void Reader::read(const onnx::NodeProto& node) {
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
        inputs.push_back(constant(node, i));
        constant_inputs = constant_inputs && (inputs.back() || !has_input(node, i));
    }
    const std::string& output = node.output(0);
    if (op == "Shape" && !constant_inputs) {
        Constant shape{{}, {}};
        for (std::int64_t dim : unpadded(node, 0).dims()) shape.values.push_back(static_cast<double>(dim));
        shape.dims = {static_cast<std::int64_t>(shape.values.size())};
        constants_[output] = shape;
    } else if (constant_inputs) {
        std::optional<Constant> folded = fold(node, inputs);
        if (!folded) unsupported(label(node), advice(op));
        constants_[output] = std::move(*folded);
    } else {
        const Operator read_operator = find_operator(op);
        if (!read_operator) unsupported(label(node), advice(op));
        views_[output] = read_operator(*this, node);
    }
}

void Reader::read_output() {
    const auto found = views_.find(graph_.output(0).name());
    if (found == views_.end()) broken("nothing computes its output from its input");
    const View& output = found->second;
    if (output.padded()) throw Error(ErrorKind::kUnsupported, "the output of the ONNX model is a padded map");
    if (!output.in_order())
        throw Error(ErrorKind::kUnsupported,
                    "the output of the ONNX model is transposed; the order of axes must stay [N, C, H, W]. Remove the "
                    "transposition");
    result_.result = output.value;
}

OperationGraph Reader::run() {
    check_opset();
    if (graph_.output_size() != 1)
        throw Error(ErrorKind::kUnsupported,
                    fmt::format("the ONNX model has {} outputs; Flash runs networks with one", graph_.output_size()));
    read_initializers();
    read_input();
    const std::set<const onnx::NodeProto*> needed = needed_nodes();
    for (const onnx::NodeProto& node : graph_.node())
        if (needed.contains(&node)) read(node);
    read_output();
    return std::move(result_);
}

OperationGraph read_graph(const onnx::ModelProto& model) { return Reader(model).run(); }

onnx::ModelProto parse_model(std::span<const std::uint8_t> bytes) {
    const google::protobuf::LogSilencer silence;
    onnx::ModelProto model;
    if (bytes.empty() || bytes.size() > kMaxOnnxBytes ||
        !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
        broken("not an ONNX file, or truncated");
    if (!model.has_graph() || model.graph().node_size() == 0)
        broken("it holds no graph: not an ONNX file, or truncated");
    return model;
}

}  // namespace flash::compiler
