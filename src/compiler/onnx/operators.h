// What each ONNX operator becomes. A new operator is a function here and a line in the table of operators.cpp.
#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <string>
#include <vector>

#include "compiler/onnx/reader.h"

namespace flash::compiler {

enum class Outputs {
    kOne,
    kFirst,     ///< the first one is computed; the others must not be used
    kTraining,  ///< the others show that the node is in training mode
    kMany,
};

/// What is known of an ONNX operator, over all operator sets from kOldestOpset to kNewestOpset.
struct OperatorRule {
    View (*read)(Reader& reader, const onnx::NodeProto& node) = nullptr;  ///< a node of which some input is a map
    std::vector<View> (*read_parts)(Reader& reader,
                                    const onnx::NodeProto& node) = nullptr;      ///< ... that has many outputs
    Constant (*measure)(Reader& reader, const onnx::NodeProto& node) = nullptr;  ///< ... whose result is a constant
    int most_inputs = 1;
    std::vector<std::string> attributes{};      ///< that are read, or refused where they ask for what Flash lacks
    std::vector<std::string> without_effect{};  ///< that change nothing of an inference
    Outputs outputs = Outputs::kOne;
};

/// Null if Flash does not know the operator. Operators without `read` are known for constants (fold.h) only.
const OperatorRule* find_operator(const std::string& op_type);
const std::map<std::string, OperatorRule>& all_operators();

// convolution.cpp
View read_conv(Reader& reader, const onnx::NodeProto& node);
View read_gemm(Reader& reader, const onnx::NodeProto& node);
View read_matmul(Reader& reader, const onnx::NodeProto& node);

// pooling.cpp
View read_average_pool(Reader& reader, const onnx::NodeProto& node);
View read_global_average_pool(Reader& reader, const onnx::NodeProto& node);
View read_reduce_mean(Reader& reader, const onnx::NodeProto& node);
View read_reduce_sum(Reader& reader, const onnx::NodeProto& node);

// arithmetic.cpp
View read_batch_norm(Reader& reader, const onnx::NodeProto& node);
View read_add(Reader& reader, const onnx::NodeProto& node);
View read_sub(Reader& reader, const onnx::NodeProto& node);
View read_mul(Reader& reader, const onnx::NodeProto& node);
View read_div(Reader& reader, const onnx::NodeProto& node);
View read_pow(Reader& reader, const onnx::NodeProto& node);
View read_sum(Reader& reader, const onnx::NodeProto& node);
View read_mean(Reader& reader, const onnx::NodeProto& node);
View read_neg(Reader& reader, const onnx::NodeProto& node);
View read_sin(Reader& reader, const onnx::NodeProto& node);
View read_cos(Reader& reader, const onnx::NodeProto& node);
View read_clip(Reader& reader, const onnx::NodeProto& node);

// parts.cpp
View read_concat(Reader& reader, const onnx::NodeProto& node);
View read_pad(Reader& reader, const onnx::NodeProto& node);
View read_slice(Reader& reader, const onnx::NodeProto& node);
View read_gather(Reader& reader, const onnx::NodeProto& node);
std::vector<View> read_split(Reader& reader, const onnx::NodeProto& node);

// layout.cpp
View read_flatten(Reader& reader, const onnx::NodeProto& node);
View read_reshape(Reader& reader, const onnx::NodeProto& node);
View read_transpose(Reader& reader, const onnx::NodeProto& node);
View read_squeeze(Reader& reader, const onnx::NodeProto& node);
View read_unsqueeze(Reader& reader, const onnx::NodeProto& node);
View read_identity(Reader& reader, const onnx::NodeProto& node);
View read_dropout(Reader& reader, const onnx::NodeProto& node);
View read_cast(Reader& reader, const onnx::NodeProto& node);
View read_cast_like(Reader& reader, const onnx::NodeProto& node);
Constant measure_shape(Reader& reader, const onnx::NodeProto& node);
Constant measure_size(Reader& reader, const onnx::NodeProto& node);

}  // namespace flash::compiler
