// Constant tensors of an ONNX graph and the few operators that are evaluated on them while importing.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace flash::compiler {

/// Numbers of any ONNX type as doubles (64-bit integers in an ONNX graph are shapes and indices: exact).
struct Constant {
    std::vector<std::int64_t> dims;  ///< empty: a scalar
    std::vector<double> values;      ///< row-major, product of dims
};

/// Error(kFile) if sizes do not match the declared shape, Error(kUnsupported) for external data and odd types.
Constant read_tensor(const onnx::TensorProto& tensor, const std::string& what);

Constant scalar(double value);
/// The only value of a one-element tensor.
std::optional<double> as_scalar(const Constant& constant);
std::vector<std::int64_t> as_integers(const Constant& constant);

/// Evaluates a node whose inputs are all constant (null: absent optional input); nothing if the operator is not among
/// the supported ones. Error(kUnsupported / kFile) if its inputs do not make sense.
std::optional<Constant> fold(const onnx::NodeProto& node, const std::vector<const Constant*>& inputs);

const onnx::AttributeProto* attribute(const onnx::NodeProto& node, const char* name);
std::int64_t integer_attribute(const onnx::NodeProto& node, const char* name, std::int64_t fallback);
double float_attribute(const onnx::NodeProto& node, const char* name, double fallback);
std::vector<std::int64_t> integers_attribute(const onnx::NodeProto& node, const char* name);
std::string string_attribute(const onnx::NodeProto& node, const char* name, const std::string& fallback);

/// Resolves the target of a Reshape (0: copy, -1: infer) of a tensor with these dims; Error(kFile) if it does not fit.
std::vector<std::int64_t> reshape_dims(const std::vector<std::int64_t>& from, const std::vector<std::int64_t>& target,
                                       bool allow_zero);

}  // namespace flash::compiler
