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
#include "compiler/onnx/operation.h"
#include "compiler/onnx/view.h"

namespace flash::compiler {

inline constexpr std::uint64_t kMaxOnnxBytes = 0x7fffffff;  ///< of a file: protobuf's own limit

/// Error(kFile) if the bytes are no ONNX model.
onnx::ModelProto parse_model(std::span<const std::uint8_t> bytes);

/// Error(kFile): the graph is not sound; Error(kUnsupported): an operator or a structure that Flash cannot run, naming
/// the node, the reason and what to do instead.
OperationGraph read_graph(const onnx::ModelProto& model);

/// The state of one walk, which the operators use.
class Reader {
public:
    explicit Reader(const onnx::ModelProto& model) : model_(model), graph_(model.graph()) {}
    OperationGraph run();

    static bool has_input(const onnx::NodeProto& node, int index) {
        return index < node.input_size() && !node.input(index).empty();
    }
    /// An input that is a constant; null if it is absent or a map.
    const Constant* constant(const onnx::NodeProto& node, int index) const;
    const Constant& needed_constant(const onnx::NodeProto& node, int index, const char* what) const;
    const View& view(const onnx::NodeProto& node, int index) const;      ///< an input that is a map
    const View& unpadded(const onnx::NodeProto& node, int index) const;  ///< ... that no Pad waits on
    const View& image(const onnx::NodeProto& node, int index) const;     ///< ... in the form [N, C, H, W]

    /// Appends an operation; its value as an image. `node` is how messages name it.
    View append(const std::string& node, const model::Shape& output, decltype(Operation::what) what);
    /// The same for what leaves the shape as it is.
    View append_alike(const std::string& node, const View& in, decltype(Operation::what) what);

private:
    void check_opset() const;
    void read_initializers();
    void read_input();
    std::set<const onnx::NodeProto*> needed_nodes() const;
    void read(const onnx::NodeProto& node);
    void read_output();

    const onnx::ModelProto& model_;
    const onnx::GraphProto& graph_;
    std::map<std::string, Constant> constants_;
    std::map<std::string, View> views_;
    OperationGraph result_;
};

}  // namespace flash::compiler
