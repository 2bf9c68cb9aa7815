#include "compiler/onnx/node.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "base/error.h"
#include "base/table.h"

namespace flash::compiler {

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
    return printable(
        name);  // it goes into the model's file, which takes UTF-8 only; the cut may have broken a character
}

std::string advice(const std::string& op) {
    static const std::set<std::string> activations = {
        "Relu", "LeakyRelu", "PRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh",
        "Elu",  "Selu",      "Celu",  "Gelu",    "Softplus",    "Softsign",  "Clip",
        "Erf",  "Abs",       "Exp",   "Log",     "Sqrt",        "Sign",      "ThresholdedRelu"};
    if (activations.contains(op))
        return "private inference evaluates activations as polynomials of degree two. Replace it by x*x + x and "
               "retrain: flash-train convert does both for a PyTorch network (see docs/training.md, train/README.md)";
    if (op == "MaxPool" || op == "GlobalMaxPool" || op == "Max" || op == "ReduceMax" || op == "LpPool")
        return "maxima are not polynomials. Replace max pooling by average pooling or by a convolution of stride 2, "
               "and retrain: flash-train convert does both for a PyTorch network (see train/README.md)";
    if (op == "Softmax" || op == "LogSoftmax")
        return "the client computes it from the logits by itself. Export the network without it: the order of the "
               "classes is the same";
    if (op == "LayerNormalization" || op == "InstanceNormalization" || op == "GroupNormalization" || op == "LRN" ||
        op == "RMSNormalization" || op == "LpNormalization" || op == "MeanVarianceNormalization")
        return "it divides by a statistic of the image. Use batch normalisation, which folds into the layer before it";
    if (op == "If" || op == "Loop" || op == "Scan")
        return "control flow is not supported. Export the network as a fixed graph";
    if (op == "QuantizeLinear" || op == "DequantizeLinear" || op == "QLinearConv" || op == "ConvInteger")
        return "Flash quantises by itself. Export the network in 32-bit float";
    if (op == "Resize" || op == "Upsample")
        return "resizing a map inside the network is not supported. Resize the pictures before the network sees them, "
               "or "
               "use a convolution";
    if (op == "DepthToSpace" || op == "SpaceToDepth")
        return "moving pixels into channels (a pixel shuffle) is not supported. Use a convolution with a stride";
    if (op == "Einsum") return "write it as a convolution, a fully connected layer, a mean or a product of maps";
    if (op == "Attention" || op == "RotaryEmbedding")
        return "attention multiplies maps by each other and takes a softmax inside the network. Flash runs "
               "convolutional "
               "networks";
    if (op == "ConvTranspose") return "transposed convolutions are not supported. Use ordinary convolutions";
    return "this operator is not supported. Flash runs Conv, BatchNormalization, x*x + x, Add, average pooling, "
           "Flatten and Gemm (see docs/compiler.md)";
}

const onnx::AttributeProto* attribute(const onnx::NodeProto& node, const char* name, AttributeType type) {
    for (const onnx::AttributeProto& a : node.attribute()) {
        if (a.name() != name) continue;
        // A value of another type would read as none at all, and its default be taken in its place.
        if (a.type() != type)
            broken(fmt::format("node {}: its attribute \"{}\" is of type {}, where {} is wanted", label(node), name,
                               onnx::AttributeProto::AttributeType_Name(a.type()),
                               onnx::AttributeProto::AttributeType_Name(type)));
        return &a;
    }
    return nullptr;
}

std::int64_t integer_attribute(const onnx::NodeProto& node, const char* name, std::int64_t fallback) {
    const onnx::AttributeProto* a = attribute(node, name, onnx::AttributeProto::INT);
    return a ? a->i() : fallback;
}

double float_attribute(const onnx::NodeProto& node, const char* name, double fallback) {
    const onnx::AttributeProto* a = attribute(node, name, onnx::AttributeProto::FLOAT);
    if (a && !std::isfinite(a->f()))
        unsupported(label(node), fmt::format("its attribute \"{}\" is not a finite number: the export has failed. "
                                             "Export the network from a sound checkpoint",
                                             name));
    return a ? static_cast<double>(a->f()) : fallback;
}

std::vector<std::int64_t> integers_attribute(const onnx::NodeProto& node, const char* name) {
    const onnx::AttributeProto* a = attribute(node, name, onnx::AttributeProto::INTS);
    return a ? std::vector<std::int64_t>(a->ints().begin(), a->ints().end()) : std::vector<std::int64_t>();
}

std::string string_attribute(const onnx::NodeProto& node, const char* name, const std::string& fallback) {
    const onnx::AttributeProto* a = attribute(node, name, onnx::AttributeProto::STRING);
    return a ? a->s() : fallback;
}

}  // namespace flash::compiler
