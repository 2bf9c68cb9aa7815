// The operators of an ONNX graph that are evaluated while it is read, because all their inputs are constants.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

#include "compiler/onnx/shape_rules.h"

namespace flash::compiler {

/// A node whose inputs are all constant (null: an absent optional input).
struct FoldNode {
    const onnx::NodeProto& node;
    const Constants& inputs;

    bool has(std::size_t index) const { return index < inputs.size() && inputs[index]; }
    /// Error(kFile) if it is absent.
    const Constant& input(std::size_t index) const;
};

/// The node's outputs. Error(kUnsupported / kFile) if its inputs do not make sense.
using Fold = std::vector<Constant> (*)(const FoldNode& node);
/// How to evaluate an operator; null if it is not among the supported ones.
Fold find_fold(const std::string& op_type);

}  // namespace flash::compiler
