#include "compiler/onnx/operators.h"

#include <map>

namespace flash::compiler {

Operator find_operator(const std::string& op_type) {
    static const std::map<std::string, Operator> operators = {
        {"Conv", read_conv},
        {"Gemm", read_gemm},
        {"MatMul", read_matmul},
        {"AveragePool", read_average_pool},
        {"GlobalAveragePool", read_global_average_pool},
        {"ReduceMean", read_reduce_mean},
        {"BatchNormalization", read_batch_norm},
        {"Add", read_add},
        {"Sub", read_sub},
        {"Mul", read_mul},
        {"Div", read_div},
        {"Pow", read_pow},
        {"Neg", read_neg},
        {"Clip", read_clip},
        {"Concat", read_concat},
        {"Pad", read_pad},
        {"Flatten", read_flatten},
        {"Reshape", read_reshape},
        {"Transpose", read_transpose},
        {"Squeeze", read_squeeze},
        {"Unsqueeze", read_squeeze},
        {"Identity", read_identity},
        {"Dropout", read_dropout},
        {"Cast", read_cast},
    };
    const auto found = operators.find(op_type);
    return found == operators.end() ? nullptr : found->second;
}

}  // namespace flash::compiler
