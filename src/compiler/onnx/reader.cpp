#include "compiler/onnx/reader.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/error.h"
#include "compiler/onnx/fold.h"
#include "compiler/onnx/node.h"
#include "compiler/onnx/operators.h"

namespace flash::compiler {

using model::Shape;

void Reader::check_opset() {
    for (const auto& opset : model_.opset_import()) {
        if (!opset.domain().empty() && opset.domain() != "ai.onnx") continue;
        if (opset_ != 0 && opset_ != opset.version())
            broken(fmt::format("it says that it uses operator set {} and operator set {}", opset_, opset.version()));
        opset_ = opset.version();
    }
    if (opset_ == 0) broken("it does not say which operator set it uses");
    if (opset_ < kOldestOpset || opset_ > kNewestOpset)
        throw Error(
            ErrorKind::kUnsupported,
            fmt::format("the ONNX model uses operator set {}; Flash reads {} to {}. Export it with opset_version=17",
                        opset_, kOldestOpset, kNewestOpset));
}

void Reader::read_initializers() {
    for (const onnx::TensorProto& tensor : graph_.initializer()) {
        if (constants_.contains(tensor.name())) broken("it holds two tensors " + tensor.name());
        constants_[tensor.name()] = read_tensor(tensor, "tensor " + tensor.name(), external_);
    }
    if (graph_.sparse_initializer_size() > 0)
        throw Error(ErrorKind::kUnsupported, "the ONNX model has sparse weights; export dense ones");
}

void Reader::read_input() {
    const onnx::ValueInfoProto* input = nullptr;
    for (const onnx::ValueInfoProto& candidate : graph_.input()) {
        if (constants_.contains(candidate.name())) continue;
        if (input)
            throw Error(
                ErrorKind::kUnsupported,
                fmt::format("the ONNX model has more than one input ({}, {}); Flash runs networks of one image. "
                            "If they are weights, export the model with them (export_params=True)",
                            input->name(), candidate.name()));
        input = &candidate;
    }
    if (!input) broken("it has no input");
    const auto& dims = input->type().tensor_type().shape().dim();
    if (dims.size() != 4 && dims.size() != 2)
        throw Error(ErrorKind::kUnsupported, fmt::format("the input {} has {} dimensions; Flash wants [N, C, H, W]",
                                                         input->name(), dims.size()));
    const bool last = dims.size() == 4 && turned_first(input->name());
    Shape shape{1, 1, 1};
    int* extents[] = {&shape.channels, &shape.height, &shape.width};
    if (last) std::rotate(std::begin(extents), std::begin(extents) + 1, std::end(extents));
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
    if (last) view = view_as(0, shape, {{}, {Axis::kRow}, {Axis::kColumn}, {Axis::kChannel}});
    view.dimensions.resize(static_cast<std::size_t>(dims.size()));
    views_[input->name()] = view;
    const auto type = static_cast<onnx::TensorProto::DataType>(input->type().tensor_type().elem_type());
    if (type != onnx::TensorProto::FLOAT && type != onnx::TensorProto::DOUBLE && type != onnx::TensorProto::FLOAT16)
        result_.notes.push_back(
            fmt::format("the input {} holds integers in the file (ONNX data type {}); Flash feeds it any numbers, and "
                        "pictures as --scale, --mean and --std say (--scale 1 for pixels 0..255)",
                        input->name(), input->type().tensor_type().elem_type()));
    if (last)
        result_.notes.push_back(
            fmt::format("the input {} is [N, H, W, C] in the file; Flash feeds it pictures as it feeds all networks",
                        input->name()));
}

/// Whether a tensor [N, H, W, C] is what this name stands for: all that reads it, perhaps behind arithmetic, is a
/// transposition to [N, C, H, W].
bool Reader::turned_first(const std::string& name) const {
    static const std::set<std::string> arithmetic = {"Add", "Sub", "Mul", "Div", "Cast", "Identity"};
    std::set<std::string> names{name};
    bool turned = false;
    for (const onnx::NodeProto& node : graph_.node()) {
        if (std::ranges::none_of(node.input(), [&](const std::string& input) { return names.contains(input); }))
            continue;
        if (node.op_type() == "Transpose" && integers_attribute(node, "perm") == Dims{0, 3, 1, 2}) {
            turned = true;
        } else if (arithmetic.contains(node.op_type()) && node.output_size() == 1) {
            names.insert(node.output(0));
        } else {
            return false;
        }
    }
    return turned;
}

/// Finds the logits: what turns them into probabilities or a class at the end of the graph is left to the client.
void Reader::leave_out_last_steps() {
    static const std::set<std::string> last = {"Softmax", "LogSoftmax", "ArgMax", "Hardmax"};
    static const std::set<std::string> between = {"Identity", "Cast", "Squeeze", "Unsqueeze", "Reshape", "Flatten"};
    output_ = graph_.output(0).name();
    std::string name = output_;
    for (int i = graph_.node_size(); i-- > 0;) {
        const onnx::NodeProto& node = graph_.node(i);
        if (node.input_size() == 0 || node.output_size() == 0 || node.output(0) != name) continue;
        if (last.contains(node.op_type())) {
            last_steps_.push_back(&node);
            output_ = node.input(0);
        } else if (!between.contains(node.op_type())) {
            break;
        }
        name = node.input(0);
    }
}

std::set<const onnx::NodeProto*> Reader::needed_nodes() const {
    std::set<std::string> wanted{output_};
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
    if (found) return *found;
    if (has_input(node, index)) view(node, index);  // broken, where nothing makes it
    unsupported(label(node), fmt::format("{} must be constants of the model", what));
}

Constants Reader::parameters(const onnx::NodeProto& node, const char* what) const {
    Constants list{nullptr};
    for (int i = 1; i < node.input_size(); ++i)
        list.push_back(has_input(node, i) ? &needed_constant(node, i, what) : nullptr);
    return list;
}

const View& Reader::view(const onnx::NodeProto& node, int index) const {
    if (!has_input(node, index)) broken("node " + label(node) + " lacks an input");
    const auto found = views_.find(node.input(index));
    if (found == views_.end()) {
        if (const auto other = not_computed_.find(node.input(index)); other != not_computed_.end())
            unsupported(label(*other->second), "its output " + node.input(index) +
                                                   " is used, which Flash does not compute. Export the network for "
                                                   "inference (model.eval())");
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

/// Everything that a node says is known: nothing is ignored that could change what it computes.
void Reader::check_node(const onnx::NodeProto& node) const {
    const std::string& op = node.op_type();
    if (node.output_size() < 1 || node.output(0).empty()) broken("a node has no output");
    for (const std::string& name : node.output())
        if (constants_.contains(name) || views_.contains(name) || not_computed_.contains(name))
            broken(fmt::format("node {} makes {}, which is there already", label(node), name));
    if (!node.domain().empty() && node.domain() != "ai.onnx")
        unsupported(label(node), "it is an operator of the extension " + node.domain() + ", which Flash does not know");
    const OperatorRule* rule = find_operator(op);
    if (!rule) unsupported(label(node), advice(op));
    if (node.input_size() > rule->most_inputs)
        unsupported(label(node),
                    fmt::format("it has {} inputs; Flash knows {} at most", node.input_size(), rule->most_inputs));
    std::set<std::string> names;
    for (const onnx::AttributeProto& a : node.attribute()) {
        if (!names.insert(a.name()).second)
            broken(fmt::format("node {} has its attribute \"{}\" twice", label(node), a.name()));
        if (std::ranges::find(rule->attributes, a.name()) == rule->attributes.end() &&
            std::ranges::find(rule->without_effect, a.name()) == rule->without_effect.end())
            unsupported(
                label(node),
                fmt::format("its attribute \"{}\" is unknown to Flash, which reads the operator as operator sets "
                            "{} to {} define it. Export the model with opset_version=17",
                            a.name(), kOldestOpset, kNewestOpset));
    }
    for (int i = 1; i < node.output_size(); ++i) {
        if (node.output(i).empty() || rule->outputs == Outputs::kMany || rule->outputs == Outputs::kFirst) continue;
        unsupported(label(node), rule->outputs == Outputs::kTraining
                                     ? "it is in training mode: it has outputs for statistics of the batch. Call "
                                       "model.eval() before the export"
                                     : "it has more than one output, which Flash does not know of this operator");
    }
}

void Reader::read(const onnx::NodeProto& node) {
    check_node(node);
    const std::string& op = node.op_type();
    const OperatorRule& rule = *find_operator(op);
    Constants inputs;
    bool constant_inputs = true;
    for (int i = 0; i < node.input_size(); ++i) {
        inputs.push_back(constant(node, i));
        constant_inputs = constant_inputs && (inputs.back() || !has_input(node, i));
    }
    const auto keep = [&](auto& all, auto&& results) {
        for (int i = 0; i < node.output_size(); ++i) {
            const std::string& name = node.output(i);
            if (name.empty()) continue;
            if (static_cast<std::size_t>(i) < results.size())
                all[name] = std::move(results[static_cast<std::size_t>(i)]);
            else
                not_computed_[name] = &node;
        }
    };
    if (constant_inputs) {
        const Fold fold = find_fold(op);
        if (!fold) unsupported(label(node), advice(op));
        std::vector<Constant> results = fold({node, inputs});
        for (const Constant& result : results)
            for (double value : result.values)
                if (!std::isfinite(value)) unsupported(label(node), "it makes a constant that is not a finite number");
        keep(constants_, results);
    } else if (rule.measure) {
        keep(constants_, std::vector<Constant>{rule.measure(*this, node)});
    } else if (rule.read_parts) {
        keep(views_, rule.read_parts(*this, node));
    } else if (rule.read) {
        keep(views_, std::vector<View>{rule.read(*this, node)});
    } else {
        unsupported(label(node), advice(op));
    }
}

/// A last step is the client's only if it goes over all logits.
void Reader::check_last_step(const onnx::NodeProto& node, const View& logits) const {
    const std::string& op = node.op_type();
    const std::int64_t fallback = op == "ArgMax" ? 0 : opset_ < 13 ? 1 : -1;
    const std::size_t axis = resolve_axis(node, integer_attribute(node, "axis", fallback), logits.dimensions.size());
    // Until operator set 12 these went over all dimensions from the axis on.
    const bool all = opset_ < 13 && op != "ArgMax";
    for (std::size_t i = 0; i < logits.dimensions.size(); ++i)
        if (i != axis && !(all && i > axis) && !logits.dimensions[i].empty()) unsupported(label(node), advice(op));
}

void Reader::read_output() {
    const auto found = views_.find(output_);
    if (found == views_.end()) broken("nothing computes its output from its input");
    const View& output = found->second;
    if (output.padded()) throw Error(ErrorKind::kUnsupported, "the output of the ONNX model is a padded map");
    if (!output.in_order())
        throw Error(ErrorKind::kUnsupported,
                    "the output of the ONNX model is transposed; the order of axes must stay [N, C, H, W]. Remove the "
                    "transposition");
    for (const onnx::NodeProto* node : last_steps_) {
        check_last_step(*node, output);
        result_.notes.push_back(fmt::format(
            "node {} is left out: the client gets the logits, and computes probabilities and the class from them",
            label(*node)));
    }
    result_.result = output.value;
}

OperationGraph Reader::run() {
    check_opset();
    if (graph_.output_size() != 1)
        throw Error(ErrorKind::kUnsupported,
                    fmt::format("the ONNX model has {} outputs; Flash runs networks with one", graph_.output_size()));
    read_initializers();
    read_input();
    leave_out_last_steps();
    const std::set<const onnx::NodeProto*> needed = needed_nodes();
    for (const onnx::NodeProto& node : graph_.node())
        if (needed.contains(&node)) read(node);
    read_output();
    return std::move(result_);
}

OperationGraph read_graph(const onnx::ModelProto& model, const ExternalData* external) {
    return Reader(model, external).run();
}

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
