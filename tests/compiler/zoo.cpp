#include "zoo.h"

#include <onnx/onnx_pb.h>

namespace flash::compiler {

const std::vector<Animal>& animals() {
    static const std::vector<Animal> all = {
        {"Conv", [](Zoo& z) { return z.conv(z.body(), 4, 2, 3, 1, 2); }},
        {"Conv, auto_pad",
         [](Zoo& z) {
             return z.node("Conv", {z.body(), z.random({2, 4, 3, 3})},
                           {{"auto_pad", "VALID"}, {"dilations", List{1, 1}}});
         }},
        {"Gemm",
         [](Zoo& z) {
             return z.node("Gemm", {z.node("Flatten", {z.body(2)}), z.random({60, 3}), z.random({3})},
                           {{"alpha", 0.5}, {"beta", 2.0}});
         }},
        {"MatMul and bias",
         [](Zoo& z) {
             const Name flat = z.node("Reshape", {z.body(2), z.integers({0, -1})});
             return z.node("Add", {z.node("MatMul", {flat, z.random({60, 3})}), z.random({3})});
         }},
        {"AveragePool",
         [](Zoo& z) {
             return z.conv(z.node("AveragePool", {z.body()},
                                  {{"kernel_shape", List{3, 2}}, {"strides", List{2, 1}}, {"pads", List{1, 0, 1, 0}}}),
                           4, 2);
         }},
        {"AveragePool, ceil_mode",
         [](Zoo& z) {
             return z.conv(z.node("AveragePool", {z.body()},
                                  {{"kernel_shape", List{2, 2}}, {"strides", List{2, 2}}, {"ceil_mode", 1}}),
                           4, 2);
         },
         10},
        {"AveragePool, dilations of 1",
         [](Zoo& z) {
             return z.node("AveragePool", {z.body()}, {{"kernel_shape", List{2, 2}}, {"dilations", List{1, 1}}});
         },
         19},
        {"GlobalAveragePool", [](Zoo& z) { return z.head(z.body(), 4); }},
        {"BatchNormalization",
         [](Zoo& z) {
             const Name variance = z.floats({4}, {0.5, 1, 1.5, 2});
             return z.conv(z.act(z.node("BatchNormalization",
                                        {z.conv(z.input, 3, 4), z.random({4}), z.random({4}), z.random({4}), variance},
                                        {{"epsilon", 1e-3}, {"momentum", 0.9}})),
                           4, 2);
         }},
        {"BatchNormalization, spatial and testing as numbers",
         [](Zoo& z) {
             const Name ones = z.floats({4}, {1, 2, 3, 4});
             return z.conv(z.node("BatchNormalization", {z.body(), ones, ones, ones, ones}, {{"spatial", 1}}), 4, 2);
         },
         7, 8},
        {"Sub, Div, Neg, Pow",
         [](Zoo& z) {
             const Name x = z.conv(z.input, 3, 4);
             const Name square = z.node("Pow", {x, z.floats({}, {2})});
             return z.conv(z.node("Sub", {z.node("Div", {square, z.floats({1}, {2})}), z.node("Neg", {x})}), 4, 2);
         }},
        {"Sin, Cos of one frequency",
         [](Zoo& z) {
             const Name x = z.node("Mul", {z.floats({4, 1, 1}, {1, 0.7, -1.2, 0}), z.conv(z.input, 3, 4)});
             const Name wave =
                 z.node("Sub", {z.node("Sin", {x}), z.node("Mul", {z.random({4, 1, 1}), z.node("Cos", {x})})});
             return z.conv(z.node("Add", {z.floats({}, {0.5}), wave}), 4, 2, 3, 1);
         }},
        {"a*sin(b*x+c)+d behind a batch norm",
         [](Zoo& z) {
             const Name ones = z.floats({4}, {1, 2, 3, 4});
             const Name x = z.node("BatchNormalization", {z.conv(z.input, 3, 4), ones, ones, ones, ones});
             const Name inner = z.node("Add", {z.node("Mul", {z.random({4, 1, 1}), x}), z.random({4, 1, 1})});
             return z.conv(
                 z.node("Add", {z.node("Mul", {z.random({4, 1, 1}), z.node("Sin", {inner})}), z.random({4, 1, 1})}), 4,
                 2, 3, 1);
         }},
        {"Sin with x beside it, of two frequencies, squared, and of an activation",
         [](Zoo& z) {
             const Name x = z.conv(z.input, 3, 4), twice = z.node("Sin", {z.node("Mul", {x, z.floats({}, {2})})});
             const Name sum = z.node("Add", {z.node("Add", {z.node("Sin", {x}), x}), twice});
             const Name more = z.node("Add", {z.node("Mul", {twice, twice}), z.node("Cos", {z.act(x)})});
             return z.conv(z.node("Add", {sum, z.node("Sin", {more})}), 4, 2);
         }},
        {"Sin of a constant",
         [](Zoo& z) {
             return z.conv(z.node("Add", {z.body(), z.node("Sin", {z.node("Cos", {z.floats({}, {0.5})})})}), 4, 2);
         }},
        {"constants per channel",
         [](Zoo& z) {
             const Name x = z.conv(z.input, 3, 4);
             const Name a = z.floats({1, 4, 1, 1}, {1, 2, 3, 4}), b = z.floats({4, 1, 1}, {4, 3, 2, 1});
             return z.conv(z.node("Add", {z.node("Mul", {a, z.node("Mul", {x, x})}), z.node("Mul", {x, b})}), 4, 2);
         }},
        {"Sum",
         [](Zoo& z) {
             const Name x = z.body();
             return z.conv(z.act(z.node("Sum", {x, z.conv(x, 4, 4), z.conv(x, 4, 4, 3, 1)})), 4, 2);
         }},
        {"Sum with a constant",
         [](Zoo& z) {
             const Name x = z.body();
             return z.conv(z.act(z.node("Sum", {z.floats({}, {0.5}), x, z.conv(x, 4, 4)})), 4, 2);
         },
         8},
        {"Sum of one", [](Zoo& z) { return z.conv(z.node("Sum", {z.body()}), 4, 2); }},
        {"Mean",
         [](Zoo& z) {
             const Name x = z.body();
             return z.conv(z.act(z.node("Mean", {x, z.conv(x, 4, 4), x})), 4, 2);
         }},
        {"Concat",
         [](Zoo& z) {
             const Name x = z.body();
             return z.conv(z.node("Concat", {x, z.act(z.conv(x, 4, 2)), x}, {{"axis", 1}}), 10, 2, 3, 1);
         }},
        {"Concat with constants",
         [](Zoo& z) {
             const Name x = z.body(), half = z.floats({1, 2, 6, 5}, std::vector<double>(60, 0.5)),
                        zero = z.floats({1, 1, 6, 5}, std::vector<double>(30, 0));
             return z.conv(z.node("Concat", {half, x, zero, x}, {{"axis", 1}}), 11, 2);
         }},
        {"Pad",
         [](Zoo& z) {
             return z.conv(z.pad(z.body(), {0, 0, 1, 0, 0, 0, 2, 1}), 4, 2, 3);
         }},
        {"Pad with axes",
         [](Zoo& z) {
             return z.conv(z.node("Pad", {z.body(), z.integers({1, 2, 0, 1}), z.floats({}, {0}), z.integers({-1, 2})}),
                           4, 2, 3);
         },
         18},
        {"Pad that cuts off",
         [](Zoo& z) {
             return z.conv(z.pad(z.body(), {0, 0, -1, -1, 0, 0, -2, 0}), 4, 2, 2);
         }},
        {"Pad of channels",
         [](Zoo& z) {
             return z.conv(z.pad(z.body(), {0, 1, 1, 0, 0, 2, 0, 0}), 7, 2, 3);
         }},
        {"Slice of channels", [](Zoo& z) { return z.conv(z.slice(z.body(6), {1}, {-1}, {1}), 4, 2, 3, 1); }},
        {"Slice of pixels",
         [](Zoo& z) {
             return z.conv(z.slice(z.body(), {1, 0}, {5, 3}, {2, 3}), 4, 2);
         }},
        {"Slice by steps",
         [](Zoo& z) {
             constexpr I end = 0x7fffffffffffffff;
             return z.conv(z.slice(z.body(), {0, 1, -1}, {end, end, -end}, {2, 3, 1}, {2, 3, -2}), 2, 2);
         },
         10},
        {"Split of channels",
         [](Zoo& z) {
             const std::vector<Name> parts = z.split(z.body(6), 1, {2, 4});
             return z.conv(z.node("Concat", {z.act(z.conv(parts[1], 4, 3, 3, 1)), parts[0]}, {{"axis", 1}}), 5, 2);
         }},
        {"Split into equal parts",
         [](Zoo& z) {
             const std::vector<Name> parts = z.node("Split", {z.body(6)}, 2, {{"axis", -3}});
             return z.conv(z.node("Concat", {parts[1], parts[0]}, {{"axis", 1}}), 6, 2);
         }},
        {"Split by num_outputs",
         [](Zoo& z) {
             const std::vector<Name> parts = z.node("Split", {z.body(5)}, 2, {{"axis", 1}, {"num_outputs", 2}});
             return z.conv(z.node("Concat", {parts[1], parts[0]}, {{"axis", 1}}), 5, 2);
         },
         18},
        {"Split of rows",
         [](Zoo& z) {
             const std::vector<Name> parts = z.split(z.body(), 2, {3, 3});
             return z.conv(z.act(z.node("Add", {z.conv(parts[0], 4, 4), z.conv(parts[1], 4, 4)})), 4, 2);
         }},
        {"Gather of channels",
         [](Zoo& z) {
             return z.conv(z.node("Gather", {z.body(), z.integers({3, 0, -2})}, {{"axis", 1}}), 3, 2, 3, 1);
         }},
        {"Flatten, Reshape, Squeeze, Unsqueeze",
         [](Zoo& z) {
             const Name pooled = z.squeeze(z.node("GlobalAveragePool", {z.body()}), {2, 3});
             const Name back = z.unsqueeze(pooled, {2, 3});
             const Name flat = z.node("Flatten", {z.act(z.conv(back, 4, 6))}, {{"axis", 1}});
             return z.node("Gemm", {z.node("Reshape", {flat, z.integers({1, 6})}), z.random({6, 2})});
         }},
        {"Identity, Dropout, Cast",
         [](Zoo& z) {
             const Name cast = z.node("Cast", {z.body()}, {{"to", 1}});
             const Name dropped = z.opset < 12 ? z.node("Dropout", {cast}, {{"ratio", 0.3}})
                                               : z.node("Dropout", {cast, z.floats({}, {0.3})});
             return z.conv(z.node("Identity", {dropped}), 4, 2);
         }},
        {"CastLike",
         [](Zoo& z) {
             return z.conv(z.node("CastLike", {z.body(), z.floats({}, {1})}), 4, 2);
         },
         15},
        {"Cast that saturates",
         [](Zoo& z) {
             return z.conv(z.node("Cast", {z.body()}, {{"to", 1}, {"saturate", 1}}), 4, 2);
         },
         19},
        // Heads through other ranks.
        {"mean over columns, then rows",
         [](Zoo& z) {
             return z.node("MatMul", {z.mean(z.mean(z.body(), {3}, 0), {2}, 0), z.random({4, 3})});
         }},
        {"means that keep their dimensions",
         [](Zoo& z) { return z.node("Flatten", {z.mean(z.mean(z.body(), {-1}, 1), {2}, 1)}); }},
        {"flatten(2).mean(2)",
         [](Zoo& z) {
             const Name flat = z.node("Reshape", {z.body(), z.integers({0, 0, -1})});
             return z.node("Gemm", {z.mean(flat, {2}, 0), z.random({3, 4})}, {{"transB", 1}});
         }},
        {"sum over both axes",
         [](Zoo& z) {
             const Name sum = z.with_axes("ReduceSum", z.body(), {2, 3}, 13, {{"keepdims", 0}});
             return z.node("Div", {z.node("MatMul", {sum, z.random({4, 3})}), z.floats({}, {30})});
         }},
        {"squeeze one by one",
         [](Zoo& z) {
             const Name pooled = z.squeeze(z.squeeze(z.node("GlobalAveragePool", {z.body()}), {-1}), {-1});
             return z.node("Gemm", {pooled, z.random({4, 3})});
         }},
        {"everything squeezed",
         [](Zoo& z) {
             const Name pooled = z.node("Squeeze", {z.node("GlobalAveragePool", {z.body()})});
             return z.node("Add", {z.node("MatMul", {pooled, z.random({4, 3})}), z.random({3})});
         }},
        // Layouts.
        {"Linear on a map with its channels last",
         [](Zoo& z) {
             const Name last = z.node("Transpose", {z.body()}, {{"perm", List{0, 2, 3, 1}}});
             const Name linear = z.node("Add", {z.node("MatMul", {last, z.random({4, 6})}), z.random({6})});
             return z.conv(z.act(z.node("Transpose", {linear}, {{"perm", List{0, 3, 1, 2}}})), 6, 2, 3, 1);
         }},
        {"Linear on pixels in a row",
         [](Zoo& z) {
             const Name rows = z.node("Reshape", {z.body(), z.integers({0, 0, -1})});
             const Name last = z.node("Transpose", {rows}, {{"perm", List{0, 2, 1}}});
             return z.mean(z.act(z.node("MatMul", {last, z.random({4, 6})})), {1}, 0);
         }},
        {"scale of the last dimension",
         [](Zoo& z) {
             const Name last = z.node("Transpose", {z.body()}, {{"perm", List{0, 2, 3, 1}}});
             const Name scaled = z.node("Mul", {z.random({4}), last});
             return z.conv(z.node("Transpose", {scaled}, {{"perm", List{0, 3, 1, 2}}}), 4, 2);
         }},
        {"flattened with its channels last",
         [](Zoo& z) {
             const Name last = z.node("Transpose", {z.body(2)}, {{"perm", List{0, 2, 3, 1}}});
             return z.node("Gemm", {z.node("Reshape", {last, z.integers({1, -1})}), z.random({60, 3})});
         }},
        {"rows and columns exchanged, and back",
         [](Zoo& z) {
             const Name turned = z.node("Transpose", {z.body()}, {{"perm", List{0, 1, 3, 2}}});
             return z.conv(z.node("Transpose", {turned}, {{"perm", List{0, 1, 3, 2}}}), 4, 2, 3, 1);
         }},
        {"[N, H, W, C] input",
         [](Zoo& z) {
             const Name first = z.node("Transpose", {z.input}, {{"perm", List{0, 3, 1, 2}}});
             return z.head(z.act(z.conv(first, 3, 4, 3, 1)), 4);
         },
         kFirst,
         kLast,
         {-1, 6, 5, 3}},
        {"[N, H, W, C] input, scaled",
         [](Zoo& z) {
             const Name scaled =
                 z.node("Mul", {z.node("Sub", {z.input, z.floats({3}, {0.1, 0.2, 0.3})}), z.random({3})});
             const Name first = z.node("Transpose", {scaled}, {{"perm", List{0, 3, 1, 2}}});
             return z.head(z.act(z.conv(first, 3, 4, 3)), 4);
         },
         kFirst,
         kLast,
         {-1, 6, 5, 3}},
        {"[N, F] input",
         [](Zoo& z) {
             const Name hidden = z.act(z.node("Gemm", {z.input, z.random({8, 9}), z.random({8})}, {{"transB", 1}}));
             return z.node("Gemm", {hidden, z.random({3, 8})}, {{"transB", 1}});
         },
         kFirst,
         kLast,
         {-1, 9}},
        // Shapes worked out in the graph.
        {"view(x.size(0), -1)",
         [](Zoo& z) {
             const Name x = z.body(2);
             const Name batch = z.node("Gather", {z.node("Shape", {x}), z.integers({0}, true)}, {{"axis", 0}});
             const Name target = z.node("Concat", {z.unsqueeze(batch, {0}), z.integers({-1})}, {{"axis", 0}});
             return z.node("Gemm", {z.node("Reshape", {x, target}), z.random({60, 3})});
         }},
        {"Shape with start and end",
         [](Zoo& z) {
             const Name x = z.node("GlobalAveragePool", {z.body()});
             const Name batch = z.node("Shape", {x}, {{"start", 0}, {"end", -3}});
             return z.node("Reshape", {x, z.node("Concat", {batch, z.integers({-1})}, {{"axis", 0}})},
                           {{"allowzero", 1}});
         },
         15},
        {"sizes by arithmetic",
         [](Zoo& z) {
             const Name x = z.body(2);
             const Name size =
                 z.node("Div", {z.node("Mul", {z.node("Size", {x}), z.integers({2}, true)}), z.integers({2}, true)});
             const Name whole = z.node("Cast", {z.node("Cast", {size}, {{"to", 1}})}, {{"to", 7}});
             const Name target = z.node("Concat", {z.integers({1}), z.unsqueeze(whole, {0})}, {{"axis", 0}});
             return z.node("Gemm", {z.node("Reshape", {x, target}), z.random({60, 3})});
         }},
        {"nn.ZeroPad2d",
         [](Zoo& z) {  // as PyTorch writes it: the pads of the last axes first, then turned round
             const Name extra = z.filled(z.integers({4}), onnx::TensorProto::INT64, 0);
             const Name pads = z.node("Concat", {z.integers({0, 1, 2, 1}), extra}, {{"axis", 0}});
             const Name rows = z.node("Reshape", {pads, z.integers({-1, 2})});
             const Name turned = z.slice(rows, {-1}, {-0x7fffffffffffffff}, {0}, {-1});
             const Name flat =
                 z.node("Reshape", {z.node("Transpose", {turned}, {{"perm", List{1, 0}}}), z.integers({-1})});
             return z.conv(z.node("Pad", {z.body(), z.node("Cast", {flat}, {{"to", 7}}), z.floats({}, {0})}), 4, 2, 3);
         },
         11},
        {"weights computed in the graph",
         [](Zoo& z) {
             const Name w = z.random({2, 4, 1, 1});
             const Name mean = z.with_axes("ReduceMean", w, {1, 2, 3}, 18, {{"keepdims", 1}});
             const Name centred = z.node("Sub", {w, mean});
             const Name power =
                 z.with_axes("ReduceMean", z.node("Mul", {centred, centred}), {1, 2, 3}, 18, {{"keepdims", 1}});
             return z.node("Conv", {z.body(), z.node("Div", {centred, z.node("Sqrt", {power})})});
         }},
        {"Range, Expand, Where, Equal, Mod",
         [](Zoo& z) {
             const Name four = z.node("Range", {z.integers({0}, true), z.integers({4}, true), z.integers({1}, true)});
             const Name odd = z.node("Equal", {z.node("Mod", {four, z.integers({2}, true)}), z.integers({1}, true)});
             const Name scale = z.node(
                 "Where", {odd, z.node("Expand", {z.floats({1}, {3}), z.integers({4})}), z.floats({4}, {1, 2, 3, 4})});
             return z.conv(z.node("Mul", {z.body(), z.unsqueeze(scale, {1, 2})}), 4, 2);
         },
         11},
        {"zeros_like beside a map",
         [](Zoo& z) {
             const Name x = z.node("AveragePool", {z.body()}, {{"kernel_shape", List{1, 1}}, {"strides", List{2, 2}}});
             const Name zeros = z.filled(z.node("Shape", {x}), onnx::TensorProto::FLOAT, 0);
             return z.conv(z.node("Concat", {x, zeros}, {{"axis", 1}}), 8, 2);
         },
         9},
        {"shortcut of every second pixel and empty channels",
         [](Zoo& z) {
             const Name x = z.body();
             const Name small = z.slice(x, {0, 0}, {0x7fffffffffffffff, 0x7fffffffffffffff}, {2, 3}, {2, 2});
             const Name wide = z.pad(small, {0, 2, 0, 0, 0, 2, 0, 0});
             return z.conv(z.act(z.node("Add", {z.conv(x, 4, 8, 3, 1, 2), wide})), 8, 2);
         },
         10},
        // The client's last steps.
        {"Softmax",
         [](Zoo& z) {
             return z.node("Softmax", {z.head(z.body(), 4)}, {{"axis", 1}});
         },
         kFirst,
         kLast,
         {-1, 3, 6, 5},
         true},
        {"Softmax of the default axis, with a reshape behind it",
         [](Zoo& z) {
             return z.node("Reshape", {z.node("Softmax", {z.head(z.body(), 4)}), z.integers({-1, 5})});
         },
         kFirst,
         kLast,
         {-1, 3, 6, 5},
         true},
    };
    return all;
}

}  // namespace flash::compiler
