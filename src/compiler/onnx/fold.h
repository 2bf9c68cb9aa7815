// The operators of an ONNX graph that are evaluated while it is read, because all their inputs are constants.
#pragma once

#include <onnx/onnx_pb.h>

#include <optional>
#include <vector>

#include "compiler/onnx/constant.h"

namespace flash::compiler {

/// Evaluates a node whose inputs are all constant (null: absent optional input); nothing if the operator is not among
/// the supported ones. Error(kUnsupported / kFile) if its inputs do not make sense.
std::optional<Constant> fold(const onnx::NodeProto& node, const std::vector<const Constant*>& inputs);

/// Resolves the target of a Reshape (0: copy, -1: infer) of a tensor with these dims; Error(kFile) if it does not fit.
std::vector<std::int64_t> reshape_dims(const std::vector<std::int64_t>& from, const std::vector<std::int64_t>& target,
                                       bool allow_zero);

}  // namespace flash::compiler
