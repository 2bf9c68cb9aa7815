// Walks an ONNX graph once, node by node in its order, and turns it into an OperationGraph. Evaluation is for one
// image: the batch dimension counts as 1. What each operator becomes is in operators.h.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "compiler/onnx/constant.h"
#include "compiler/onnx/external_data.h"
#include "compiler/onnx/operation.h"
#include "compiler/onnx/shape_rules.h"
#include "compiler/onnx/view.h"

namespace flash::compiler {

inline constexpr std::uint64_t kMaxOnnxBytes = 0x7fffffff;  ///< of a file: protobuf's own limit

/// Error(kFile) if the bytes are no ONNX model.
onnx::ModelProto parse_model(std::span<const std::uint8_t> bytes);

inline constexpr std::int64_t kOldestOpset = 7, kNewestOpset = 23;

/// external: where the values of tensors outside the file are; null: such tensors are refused. Error(kFile): the graph
/// is not sound; Error(kUnsupported): an operator or a structure that Flash cannot run, naming the node, the reason and
/// what to do instead.
OperationGraph read_graph(const onnx::ModelProto& model, const ExternalData* external = nullptr);

/// The state of one walk, which the operators use.
class Reader {
public:
    Reader(const onnx::ModelProto& model, const ExternalData* external)
        : model_(model),
          graph_(model.graph()),
          external_(external) {}
    OperationGraph run();

    static bool has_input(const onnx::NodeProto& node, int index) {
        return index < node.input_size() && !node.input(index).empty();
    }
    /// An input that is a constant; null if it is absent or a map.
    const Constant* constant(const onnx::NodeProto& node, int index) const;
    const Constant& needed_constant(const onnx::NodeProto& node, int index, const char* what) const;
    /// All inputs, of which the first may be a map and must not be asked for.
    Constants parameters(const onnx::NodeProto& node, const char* what) const;
    const View& view(const onnx::NodeProto& node, int index) const;      ///< an input that is a map
    const View& unpadded(const onnx::NodeProto& node, int index) const;  ///< ... that no Pad waits on
    const View& image(const onnx::NodeProto& node, int index) const;     ///< ... in the form [N, C, H, W]

    /// Appends an operation; its value as an image. `node` is how messages name it.
    View append(const std::string& node, const model::Shape& output, decltype(Operation::what) what);
    /// The same for what leaves the shape as it is.
    View append_alike(const std::string& node, const View& in, decltype(Operation::what) what);

private:
    void check_opset();
    void read_initializers();
    void read_input();
    bool turned_first(const std::string& name) const;
    void leave_out_last_steps();
    std::set<const onnx::NodeProto*> needed_nodes() const;
    void check_made_once() const;
    void check_node(const onnx::NodeProto& node) const;
    void read(const onnx::NodeProto& node);
    void read_output();
    void check_last_step(const onnx::NodeProto& node, const View& logits) const;

    const onnx::ModelProto& model_;
    const onnx::GraphProto& graph_;
    const ExternalData* external_;
    std::int64_t opset_ = 0;
    std::string output_;                              // the name of the logits
    std::vector<const onnx::NodeProto*> last_steps_;  // of the graph, behind the logits: the client's
    std::map<std::string, Constant> constants_;
    std::map<std::string, View> views_;
    std::map<std::string, const onnx::NodeProto*> not_computed_;  // outputs of nodes that Flash does not compute
    OperationGraph result_;
};

}  // namespace flash::compiler
