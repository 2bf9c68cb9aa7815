// What a network computes, operator by operator, after the ONNX reader has checked it: shapes are known, constants are
// folded, padding and layout are resolved. Every operation makes one value, a map [C, H, W]; value 0 is the network's
// input, value i + 1 the result of operation i. The builder of the folded network (compiler/import.cpp) and that of the
// float graph (compiler/float_graph_reader.cpp) read it.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "model/architecture.h"

namespace flash::compiler {

/// Convolution with weights [out][in / groups][kernel_h][kernel_w]. A fully connected layer is one whose kernel is the
/// map.
struct Convolve {
    int of = 0;
    std::vector<double> weights;
    std::vector<double> bias;
    model::Window window;
    int groups = 1;
};

/// Average over windows; padding counts as zeros in the average, or not at all if the window is level.
struct Average {
    int of = 0;
    model::Window window;
};

/// scale[c] * value[c] + shift[c].
struct Affine {
    int of = 0;
    std::vector<double> scale, shift;
    bool normalises = false;  ///< a batch norm: an activation is likely to follow
};

/// left + sign * right.
struct Sum {
    int left = 0, right = 0;
    double sign = 1;
};

struct Product {
    int left = 0, right = 0;
};

/// sin(value) or cos(value).
struct SineOf {
    int of = 0;
    bool cosine = false;
};

/// One after the other along the channels.
struct Concatenate {
    std::vector<int> of;
};

/// Limits values to low .. high.
struct Clip {
    int of = 0;
    double low = 0, high = 0;
};

struct Operation {
    std::string node;  ///< as the layer is called, and the node in messages about it
    model::Shape output;
    std::variant<Convolve, Average, Affine, Sum, Product, SineOf, Concatenate, Clip> what;
};

struct OperationGraph {
    model::Shape input;
    std::vector<Operation> operations;
    int result = 0;                  ///< the value that is the network's output
    std::vector<std::string> notes;  ///< what its user should know: what was left out, how the input is turned

    const model::Shape& shape_of(int value) const {
        return value == 0 ? input : operations.at(static_cast<std::size_t>(value - 1)).output;
    }
};

}  // namespace flash::compiler
