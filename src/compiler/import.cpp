// From an ONNX file to the folded float network: the operations of the graph, one by one, into a Builder.
#include "compiler/builder.h"
#include "compiler/compile.h"
#include "compiler/onnx/metadata.h"
#include "compiler/onnx/reader.h"

#include <fmt/format.h>

#include <set>

#include "base/error.h"
#include "base/file.h"

namespace flash::compiler {
namespace {

/// Applies operations to the tensors of a Builder.
class NetworkBuilder {
public:
    NetworkBuilder(const OperationGraph& graph, std::set<int> spanned) : builder_(graph.input, std::move(spanned)) {
        tensors_.push_back(builder_.input());
        for (const Operation& operation : graph.operations)
            tensors_.push_back(std::visit([&](const auto& what) { return apply(what, operation); }, operation.what));
        network_ = builder_.finish(tensors_[graph.result], "output");
    }
    Network& network() { return network_; }
    std::set<int> several_activations() const { return builder_.several_activations(); }

private:
    Tensor& tensor(int value) { return tensors_[value]; }

    Tensor apply(const Convolve& what, const Operation& operation) {
        return builder_.convolve(tensor(what.of), what.weights, operation.output.channels, what.window, what.bias,
                                 operation.node, what.groups);
    }
    Tensor apply(const Average& what, const Operation& operation) {
        return builder_.average_pool(tensor(what.of), what.window, operation.node);
    }
    Tensor apply(const Affine& what, const Operation& operation) {
        return what.normalises ? builder_.normalise(tensor(what.of), what.scale, what.shift, operation.node)
                               : builder_.affine(tensor(what.of), what.scale, what.shift);
    }
    Tensor apply(const Sum& what, const Operation& operation) {
        return builder_.add(tensor(what.left), tensor(what.right), what.sign, operation.node);
    }
    Tensor apply(const Product& what, const Operation& operation) {
        return builder_.multiply(tensor(what.left), tensor(what.right), operation.node);
    }
    Tensor apply(const SineOf& what, const Operation& operation) {
        return builder_.sine(tensor(what.of), what.cosine, operation.node);
    }
    Tensor apply(const Concatenate& what, const Operation&) {
        std::vector<Tensor> parts;
        for (int value : what.of) parts.push_back(tensor(value));
        return builder_.concatenate(parts);
    }
    Tensor apply(const Clip& what, const Operation& operation) {
        return builder_.clip(tensor(what.of), what.low, what.high, operation.node);
    }

    Builder builder_;
    std::vector<Tensor> tensors_;
    Network network_;
};

}  // namespace

model::Shape ImportedModel::output() const { return network->layers.back().output; }
int ImportedModel::activation_layers() const { return static_cast<int>(network->layers.size()) - 1; }

bool ImportedModel::sines_only() const { return std::ranges::none_of(network->layers, &FloatLayer::quadratic); }

namespace {

ImportedModel import_model(std::span<const std::uint8_t> bytes, const std::string& name, const ExternalData* external) {
    const onnx::ModelProto model = parse_model(bytes);
    const OperationGraph graph = read_graph(model, external);
    NetworkBuilder first(graph, {});
    const std::set<int> spanned = first.several_activations();
    ImportedModel imported;
    imported.input = graph.input;
    imported.network = std::make_shared<const Network>(
        std::move(spanned.empty() ? first.network() : NetworkBuilder(graph, spanned).network()));
    imported.notes = graph.notes;
    read_metadata(model, name, imported);
    return imported;
}

}  // namespace

ImportedModel import_onnx(std::span<const std::uint8_t> bytes, const std::string& name) {
    return import_model(bytes, name, nullptr);
}

ImportedModel import_onnx(const std::filesystem::path& path) {
    const std::vector<std::uint8_t> bytes = read_file(path.string(), kMaxOnnxBytes);
    try {
        const ExternalData external(path.parent_path());
        return import_model(bytes, path.stem().string(), &external);
    } catch (const Error& e) {
        throw Error(e.kind(), path.string() + ": " + e.what());
    }
}

std::vector<float> evaluate_float(const ImportedModel& imported, std::span<const float> image) {
    const std::vector<double> logits = imported.network->evaluate(image);
    return {logits.begin(), logits.end()};
}

}  // namespace flash::compiler
