// Reads an ONNX graph node by node into a Builder. Evaluation is for one image: the batch dimension counts as 1.
#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "base/error.h"
#include "compiler/onnx_importer.h"

namespace flash::compiler {

using model::Shape;
using model::Window;

namespace {
constexpr std::uintmax_t kMaxFileBytes = 0x7fffffff;  // protobuf's own limit
constexpr const char* kChannelsLast =
    "the order of axes must stay [N, C, H, W]. Only flattening and a fully connected layer may follow a transposition";
}  // namespace

void Importer::check_opset() const {
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

void Importer::read_initializers() {
    for (const onnx::TensorProto& tensor : graph_.initializer())
        constants_[tensor.name()] = read_tensor(tensor, "tensor " + tensor.name());
    if (graph_.sparse_initializer_size() > 0)
        throw Error(ErrorKind::kUnsupported, "the ONNX model has sparse weights; export dense ones");
}

Shape Importer::read_input() {
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
    builder_.emplace(shape, spanned_);
    Tensor tensor = builder_->input();
    tensor.flat = dims.size() == 2;
    tensors_[input->name()] = tensor;
    return shape;
}

std::set<const onnx::NodeProto*> Importer::needed_nodes() const {
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

const Constant& Importer::constant_input(const onnx::NodeProto& node, int index, const char* what) const {
    const Constant* found = has_input(node, index) ? constant(node.input(index)) : nullptr;
    if (!found) unsupported(label(node), fmt::format("{} must be constants of the model", what));
    return *found;
}

Tensor& Importer::tensor(const onnx::NodeProto& node, int index) {
    if (!has_input(node, index)) broken("node " + label(node) + " lacks an input");
    const auto found = tensors_.find(node.input(index));
    if (found == tensors_.end()) {
        if (constants_.contains(node.input(index)))
            unsupported(label(node), "it applies to a constant here, where Flash expects a map");
        broken("node " + label(node) + " reads " + node.input(index) + ", which nothing before it computes");
    }
    return found->second;
}

Tensor& Importer::plain(const onnx::NodeProto& node, int index) {
    Tensor& found = tensor(node, index);
    if (found.channels_last) unsupported(label(node), kChannelsLast);
    if (found.pads != std::array<int, 4>{})
        unsupported(label(node), "a Pad is supported in front of a convolution or an average pooling only");
    return found;
}

Tensor& Importer::features(const onnx::NodeProto& node) {
    Tensor& found = tensor(node, 0);
    return found.channels_last ? found : plain(node, 0);
}

Tensor& Importer::image(const onnx::NodeProto& node, int index) {
    Tensor& found = tensor(node, index);
    if (found.channels_last) unsupported(label(node), kChannelsLast);
    if (found.flat) unsupported(label(node), "it applies to a flattened tensor; Flash expects [N, C, H, W] here");
    return found;
}

std::vector<std::int64_t> Importer::dims(const Tensor& t) const {
    if (t.flat) return {1, t.shape.size()};
    if (t.channels_last) return {1, t.shape.height, t.shape.width, t.shape.channels};
    return {1, t.shape.channels, t.shape.height, t.shape.width};
}

std::vector<double> Importer::per_channel(const onnx::NodeProto& node, const Constant& c, const Tensor& t) const {
    const auto channels = size(t.shape.channels);
    if (const auto value = as_scalar(c)) return std::vector<double>(channels, *value);
    const std::vector<std::int64_t> shape = dims(t);
    std::vector<std::int64_t> aligned(shape.size(), 1);
    bool fits = c.dims.size() <= shape.size() && !(t.flat && t.shape.size() != t.shape.channels);
    for (std::size_t i = 0; fits && i < c.dims.size(); ++i) aligned[shape.size() - c.dims.size() + i] = c.dims[i];
    for (std::size_t i = 0; i < shape.size(); ++i)
        fits = fits && (i == 1 ? aligned[i] == shape[i] || aligned[i] == 1 : aligned[i] == 1);
    if (!fits || c.values.size() != channels)
        unsupported(label(node), "its constant is neither one number nor one per channel (shape [C, 1, 1])");
    return c.values;
}

Window Importer::window(const onnx::NodeProto& node, const Tensor& t, std::vector<std::int64_t> kernel) const {
    const auto pair = [&](const char* name, std::int64_t fallback) {
        std::vector<std::int64_t> values = integers_attribute(node, name);
        if (values.empty()) values.assign(2, fallback);
        if (values.size() != 2) unsupported(label(node), fmt::format("{} must have two entries (height, width)", name));
        return values;
    };
    if (kernel.size() != 2) unsupported(label(node), "it is not two-dimensional");
    const std::vector<std::int64_t> stride = pair("strides", 1), dilation = pair("dilations", 1);
    for (std::int64_t value : {kernel[0], kernel[1], stride[0], stride[1], dilation[0], dilation[1]})
        if (value < 1 || value > model::kMaxExtent)
            unsupported(label(node),
                        fmt::format("a kernel extent, stride or dilation is not in 1..{}", model::kMaxExtent));
    const std::int64_t reach[] = {(kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1};
    for (std::int64_t value : reach)
        if (value > model::kMaxExtent)
            unsupported(label(node),
                        fmt::format("its dilated kernel reaches over more than {} pixels", model::kMaxExtent));
    std::vector<std::int64_t> pads = integers_attribute(node, "pads");
    const std::string mode = string_attribute(node, "auto_pad", "NOTSET");
    if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
        pads.assign(4, 0);
        const std::int64_t extent[] = {t.shape.height + t.pads[0] + t.pads[2], t.shape.width + t.pads[1] + t.pads[3]};
        for (std::size_t i = 0; i < 2; ++i) {
            const std::int64_t out = (extent[i] + stride[i] - 1) / stride[i];
            const std::int64_t total = std::max<std::int64_t>(0, (out - 1) * stride[i] + reach[i] - extent[i]);
            pads[i] = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
            pads[i + 2] = total - pads[i];
        }
    } else if (mode != "NOTSET" && mode != "VALID") {
        unsupported(label(node), "auto_pad " + mode + " is unknown");
    }
    if (pads.empty() || mode == "VALID") pads.assign(4, 0);
    if (pads.size() != 4) unsupported(label(node), "pads must have four entries");
    for (std::size_t i = 0; i < 4; ++i) {
        if (pads[i] < 0 || pads[i] > model::kMaxExtent)
            unsupported(label(node), "its padding is negative or too large");
        pads[i] += t.pads[i];
        if (pads[i] > model::kMaxExtent) unsupported(label(node), "its padding is too large");
    }
    return {static_cast<int>(kernel[0]),  static_cast<int>(kernel[1]), static_cast<int>(stride[0]),
            static_cast<int>(stride[1]),  static_cast<int>(pads[0]),   static_cast<int>(pads[1]),
            static_cast<int>(pads[2]),    static_cast<int>(pads[3]),   static_cast<int>(dilation[0]),
            static_cast<int>(dilation[1])};
}

ImportedModel Importer::run(const std::string& default_name) {
    check_opset();
    if (graph_.output_size() != 1)
        throw Error(ErrorKind::kUnsupported,
                    fmt::format("the ONNX model has {} outputs; Flash runs networks with one", graph_.output_size()));
    read_initializers();
    ImportedModel imported;
    imported.input = read_input();
    const std::set<const onnx::NodeProto*> needed = needed_nodes();
    for (const onnx::NodeProto& node : graph_.node())
        if (needed.contains(&node)) import(node);

    const auto result = tensors_.find(graph_.output(0).name());
    if (result == tensors_.end()) broken("nothing computes its output from its input");
    if (result->second.pads != std::array<int, 4>{})
        throw Error(ErrorKind::kUnsupported, "the output of the ONNX model is a padded map");
    imported.network = std::make_shared<const Network>(builder_->finish(result->second, "output"));

    read_metadata(model_, default_name, imported);
    return imported;
}

model::Shape ImportedModel::output() const { return network->layers.back().output; }
int ImportedModel::activation_layers() const { return static_cast<int>(network->layers.size()) - 1; }

ImportedModel import_onnx(std::span<const std::uint8_t> bytes, const std::string& name) {
    const google::protobuf::LogSilencer silence;
    onnx::ModelProto model;
    if (bytes.empty() || bytes.size() > kMaxFileBytes ||
        !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
        broken("not an ONNX file, or truncated");
    if (!model.has_graph() || model.graph().node_size() == 0)
        broken("it holds no graph: not an ONNX file, or truncated");
    Importer importer(model);
    ImportedModel imported = importer.run(name);
    const std::set<int> spanned = importer.several_activations();
    return spanned.empty() ? imported : Importer(model, spanned).run(name);
}

ImportedModel import_onnx(const std::filesystem::path& path) {
    std::error_code error;
    const std::uintmax_t bytes = std::filesystem::file_size(path, error);
    if (error) throw Error(ErrorKind::kFile, fmt::format("cannot read {}: {}", path.string(), error.message()));
    if (bytes > kMaxFileBytes)
        throw Error(ErrorKind::kFile, fmt::format("{} is larger than an ONNX file can be (2 GiB)", path.string()));
    std::vector<std::uint8_t> data(bytes);
    std::ifstream file(path, std::ios::binary);
    if (!file.read(reinterpret_cast<char*>(data.data()), static_cast<std::streamsize>(bytes)))
        throw Error(ErrorKind::kFile, fmt::format("cannot read {}", path.string()));
    try {
        return import_onnx(data, path.stem().string());
    } catch (const Error& e) {
        throw Error(e.kind(), path.string() + ": " + e.what());
    }
}

std::vector<float> evaluate_float(const ImportedModel& imported, std::span<const float> image) {
    const std::vector<double> logits = imported.network->evaluate(image);
    return {logits.begin(), logits.end()};
}

}  // namespace flash::compiler
