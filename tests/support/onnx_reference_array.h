// Arrays of the naive ONNX evaluation, and those of its operators that only move or count elements.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace flash::testing::reference {

using I = std::int64_t;
using Dims = std::vector<I>;

struct Array {
    Dims dims;
    std::vector<double> v;
    bool integer = false;
};
using Inputs = std::vector<const Array*>;  ///< null: absent

I total(const Dims& dims);
inline std::size_t U(I i) { return static_cast<std::size_t>(i); }
Array from_proto(const onnx::TensorProto& t);

const onnx::AttributeProto* find(const onnx::NodeProto& n, const char* name);
I get_i(const onnx::NodeProto& n, const char* name, I fallback);
double get_f(const onnx::NodeProto& n, const char* name, double fallback);
Dims get_list(const onnx::NodeProto& n, const char* name, Dims fallback);
/// A list given as an input or as an attribute.
Dims list(const onnx::NodeProto& n, const Inputs& in, std::size_t index, const char* name);

/// The value at these coordinates, of an array that is broadcast to their number of dimensions.
double at(const Array& x, const Dims& coordinates);
/// Calls body(coordinates) for every element of these dims, in row-major order.
template <class Body>
void for_each(const Dims& dims, Body&& body) {
    Dims c(dims.size(), 0);
    for (I n = total(dims); n > 0; --n) {
        body(c);
        for (std::size_t i = dims.size(); i-- > 0;) {
            if (++c[i] < dims[i]) break;
            c[i] = 0;
        }
    }
}

/// The node's outputs, if it is one of these operators.
std::optional<std::vector<Array>> evaluate_shape_operator(const onnx::NodeProto& n, const Inputs& in);

}  // namespace flash::testing::reference
