// Constant tensors of an ONNX graph.
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

constexpr std::int64_t kMaxElements = std::int64_t{1} << 29;
/// Product of non-negative dims, refused above the limit (no overflow on the way).
std::int64_t element_count(const std::vector<std::int64_t>& dims, const std::string& what,
                           std::int64_t limit = kMaxElements);

}  // namespace flash::compiler
