// What each ONNX operator becomes. A new operator is a function here and a line in the table of operators.cpp.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>

#include "compiler/onnx/reader.h"

namespace flash::compiler {

/// Reads a node of which some input is a map; nothing if Flash does not know its operator.
using Operator = View (*)(Reader& reader, const onnx::NodeProto& node);
Operator find_operator(const std::string& op_type);

// convolution.cpp
View read_conv(Reader& reader, const onnx::NodeProto& node);
View read_gemm(Reader& reader, const onnx::NodeProto& node);
View read_matmul(Reader& reader, const onnx::NodeProto& node);

// pooling.cpp
View read_average_pool(Reader& reader, const onnx::NodeProto& node);
View read_global_average_pool(Reader& reader, const onnx::NodeProto& node);
View read_reduce_mean(Reader& reader, const onnx::NodeProto& node);

// arithmetic.cpp
View read_batch_norm(Reader& reader, const onnx::NodeProto& node);
View read_add(Reader& reader, const onnx::NodeProto& node);
View read_sub(Reader& reader, const onnx::NodeProto& node);
View read_mul(Reader& reader, const onnx::NodeProto& node);
View read_div(Reader& reader, const onnx::NodeProto& node);
View read_pow(Reader& reader, const onnx::NodeProto& node);
View read_neg(Reader& reader, const onnx::NodeProto& node);
View read_clip(Reader& reader, const onnx::NodeProto& node);

// layout.cpp
View read_concat(Reader& reader, const onnx::NodeProto& node);
View read_pad(Reader& reader, const onnx::NodeProto& node);
View read_flatten(Reader& reader, const onnx::NodeProto& node);
View read_reshape(Reader& reader, const onnx::NodeProto& node);
View read_transpose(Reader& reader, const onnx::NodeProto& node);
View read_squeeze(Reader& reader, const onnx::NodeProto& node);
View read_identity(Reader& reader, const onnx::NodeProto& node);
View read_dropout(Reader& reader, const onnx::NodeProto& node);
View read_cast(Reader& reader, const onnx::NodeProto& node);

}  // namespace flash::compiler
