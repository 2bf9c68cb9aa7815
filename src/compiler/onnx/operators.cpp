#include "compiler/onnx/operators.h"

#include <limits>

namespace flash::compiler {

const std::map<std::string, OperatorRule>& all_operators() {
    using Names = std::vector<std::string>;
    const int any = std::numeric_limits<int>::max();
    const Names window = {"auto_pad", "kernel_shape", "pads", "strides", "dilations"};
    const Names reduction = {"axes", "keepdims", "noop_with_empty_axes"};
    const OperatorRule unary, binary{.most_inputs = 2}, variadic{.most_inputs = any}, ternary{.most_inputs = 3};
    const OperatorRule reduced{.most_inputs = 2, .attributes = reduction};
    Names conv = window, pool = window;
    conv.push_back("group");
    pool.insert(pool.end(), {"ceil_mode", "count_include_pad"});
    static const std::map<std::string, OperatorRule> rules = {
        // Of maps and of constants.
        {"Conv", {.read = read_conv, .most_inputs = 3, .attributes = conv}},
        {"Gemm", {.read = read_gemm, .most_inputs = 3, .attributes = {"alpha", "beta", "transA", "transB"}}},
        {"MatMul", {.read = read_matmul, .most_inputs = 2}},
        {"AveragePool", {.read = read_average_pool, .attributes = pool}},
        {"GlobalAveragePool", {.read = read_global_average_pool}},
        {"ReduceMean", {.read = read_reduce_mean, .most_inputs = 2, .attributes = reduction}},
        {"ReduceSum", {.read = read_reduce_sum, .most_inputs = 2, .attributes = reduction}},
        {"BatchNormalization",
         {.read = read_batch_norm,
          .most_inputs = 5,
          .attributes = {"epsilon", "training_mode", "spatial"},
          .without_effect = {"momentum"},
          .outputs = Outputs::kTraining}},
        {"Add", {.read = read_add, .most_inputs = 2}},
        {"Sub", {.read = read_sub, .most_inputs = 2}},
        {"Mul", {.read = read_mul, .most_inputs = 2}},
        {"Div", {.read = read_div, .most_inputs = 2}},
        {"Pow", {.read = read_pow, .most_inputs = 2}},
        {"Sum", {.read = read_sum, .most_inputs = any}},
        {"Mean", {.read = read_mean, .most_inputs = any}},
        {"Neg", {.read = read_neg}},
        {"Sin", {.read = read_sin}},
        {"Cos", {.read = read_cos}},
        {"Clip", {.read = read_clip, .most_inputs = 3, .attributes = {"min", "max"}}},
        {"Concat", {.read = read_concat, .most_inputs = any, .attributes = {"axis"}}},
        {"Pad", {.read = read_pad, .most_inputs = 4, .attributes = {"mode", "pads", "value"}}},
        {"Slice", {.read = read_slice, .most_inputs = 5, .attributes = {"axes", "ends", "starts"}}},
        {"Gather", {.read = read_gather, .most_inputs = 2, .attributes = {"axis"}}},
        {"Split",
         {.read_parts = read_split,
          .most_inputs = 2,
          .attributes = {"axis", "split", "num_outputs"},
          .outputs = Outputs::kMany}},
        {"Flatten", {.read = read_flatten, .attributes = {"axis"}}},
        {"Reshape", {.read = read_reshape, .most_inputs = 2, .attributes = {"allowzero"}}},
        {"Transpose", {.read = read_transpose, .attributes = {"perm"}}},
        {"Squeeze", {.read = read_squeeze, .most_inputs = 2, .attributes = {"axes"}}},
        {"Unsqueeze", {.read = read_unsqueeze, .most_inputs = 2, .attributes = {"axes"}}},
        {"Identity", {.read = read_identity}},
        {"Dropout",
         {.read = read_dropout, .most_inputs = 3, .without_effect = {"ratio", "seed"}, .outputs = Outputs::kFirst}},
        {"Cast", {.read = read_cast, .attributes = {"to"}, .without_effect = {"saturate", "round_mode"}}},
        {"CastLike", {.read = read_cast_like, .most_inputs = 2, .without_effect = {"saturate", "round_mode"}}},
        {"Shape", {.measure = measure_shape, .attributes = {"start", "end"}}},
        {"Size", {.measure = measure_size}},
        // Of constants only.
        {"Constant",
         {.most_inputs = 0,
          .attributes = {"value", "value_float", "value_floats", "value_int", "value_ints", "value_string",
                         "value_strings", "sparse_value"}}},
        {"ConstantOfShape", {.attributes = {"value"}}},
        {"Abs", unary},
        {"And", binary},
        {"Ceil", unary},
        {"Equal", binary},
        {"Exp", unary},
        {"Expand", binary},
        {"Floor", unary},
        {"Greater", binary},
        {"Less", binary},
        {"Max", variadic},
        {"Min", variadic},
        {"Mod", {.most_inputs = 2, .attributes = {"fmod"}}},
        {"Not", unary},
        {"Or", binary},
        {"Range", ternary},
        {"Reciprocal", unary},
        {"ReduceMax", reduced},
        {"ReduceMin", reduced},
        {"ReduceProd", reduced},
        {"Sqrt", unary},
        {"Tile", binary},
        {"Where", ternary},
    };
    return rules;
}

const OperatorRule* find_operator(const std::string& op_type) {
    const auto found = all_operators().find(op_type);
    return found == all_operators().end() ? nullptr : &found->second;
}

}  // namespace flash::compiler
