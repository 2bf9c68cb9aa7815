// The state of one ONNX import, shared by the files that implement it: onnx_import.cpp (graph, constants, entry
// points), onnx_operators.cpp (what each operator becomes) and onnx_metadata.cpp. Internal to compiler/.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compiler/builder.h"
#include "compiler/compile.h"
#include "compiler/constant.h"

namespace flash::compiler {

/// Throws Error(kFile): the bytes are no sound ONNX model.
[[noreturn]] void broken(const std::string& what);
/// Throws Error(kUnsupported) naming the node.
[[noreturn]] void unsupported(const std::string& node, const std::string& why);
/// A node as messages name it, and as the compiled layer is called.
std::string label(const onnx::NodeProto& node);
std::string layer_name(const onnx::NodeProto& node);
/// What to do instead of an operator that Flash cannot run.
std::string advice(const std::string& op);
inline std::size_t size(int value) { return static_cast<std::size_t>(value); }

/// Fills name, preprocessing and class names from the model's metadata_props. Error(kInvalidArgument) where they are
/// malformed.
void read_metadata(const onnx::ModelProto& model, const std::string& default_name, ImportedModel& imported);

class Importer {
public:
    /// spanned: see Builder.
    explicit Importer(const onnx::ModelProto& model, std::set<int> spanned = {})
        : model_(model),
          graph_(model.graph()),
          spanned_(std::move(spanned)) {}
    ImportedModel run(const std::string& default_name);
    std::set<int> several_activations() const { return builder_->several_activations(); }

private:
    void check_opset() const;
    void read_initializers();
    model::Shape read_input();
    std::set<const onnx::NodeProto*> needed_nodes() const;
    void import(const onnx::NodeProto& node);

    const Constant* constant(const std::string& name) const {
        const auto found = constants_.find(name);
        return found == constants_.end() ? nullptr : &found->second;
    }
    const Constant& constant_input(const onnx::NodeProto& node, int index, const char* what) const;
    bool has_input(const onnx::NodeProto& node, int index) const {
        return index < node.input_size() && !node.input(index).empty();
    }
    Tensor& tensor(const onnx::NodeProto& node, int index);
    Tensor& plain(const onnx::NodeProto& node, int index);  // ... that no Pad waits on
    Tensor& features(const onnx::NodeProto& node);          // input 0, without a Pad, its channels first or last
    Tensor& image(const onnx::NodeProto& node, int index);  // ... of rank 4
    std::vector<std::int64_t> dims(const Tensor& t) const;
    std::vector<double> per_channel(const onnx::NodeProto& node, const Constant& c, const Tensor& t) const;
    model::Window window(const onnx::NodeProto& node, const Tensor& t, std::vector<std::int64_t> kernel) const;

    Tensor concatenation(const onnx::NodeProto& node);
    Tensor clip(const onnx::NodeProto& node);
    Tensor convolution(const onnx::NodeProto& node);
    Tensor batch_norm(const onnx::NodeProto& node);
    Tensor sum(const onnx::NodeProto& node, double sign);
    Tensor product(const onnx::NodeProto& node);
    Tensor quotient(const onnx::NodeProto& node);
    Tensor power(const onnx::NodeProto& node);
    Tensor average_pool(const onnx::NodeProto& node);
    Tensor mean(const onnx::NodeProto& node);
    Tensor gemm(const onnx::NodeProto& node);
    Tensor matmul(const onnx::NodeProto& node);
    Tensor fully_connected(const onnx::NodeProto& node, Tensor& in, std::vector<double> weights, std::int64_t outputs,
                           const std::vector<double>& bias);
    Tensor reshape(const onnx::NodeProto& node);
    Tensor pad(const onnx::NodeProto& node);
    Tensor global_pool(const onnx::NodeProto& node, Tensor& in, bool flat);

    const onnx::ModelProto& model_;
    const onnx::GraphProto& graph_;
    std::set<int> spanned_;
    std::map<std::string, Constant> constants_;
    std::map<std::string, Tensor> tensors_;
    std::optional<Builder> builder_;
};

}  // namespace flash::compiler
