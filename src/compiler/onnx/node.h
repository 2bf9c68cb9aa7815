// A node of an ONNX graph: its attributes, and how messages name it.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>
#include <vector>

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

using AttributeType = onnx::AttributeProto::AttributeType;
/// Null if the node has none of this name. Error(kFile) if it is of another type.
const onnx::AttributeProto* attribute(const onnx::NodeProto& node, const char* name, AttributeType type);
std::int64_t integer_attribute(const onnx::NodeProto& node, const char* name, std::int64_t fallback);
/// Error(kUnsupported) if it is not finite.
double float_attribute(const onnx::NodeProto& node, const char* name, double fallback);
std::vector<std::int64_t> integers_attribute(const onnx::NodeProto& node, const char* name);
std::string string_attribute(const onnx::NodeProto& node, const char* name, const std::string& fallback);

}  // namespace flash::compiler
