// Constant tensors of an ONNX graph.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace flash::compiler {

class ExternalData;

enum class ElementType { kFloat, kInteger, kBool };

/// Numbers of any ONNX type as doubles (64-bit integers in an ONNX graph are shapes and indices: exact, but for the
/// largest, which stand for "to the end").
struct Constant {
    std::vector<std::int64_t> dims;  ///< empty: a scalar
    std::vector<double> values;      ///< row-major, product of dims
    ElementType type = ElementType::kFloat;
};

/// external: where the values of a tensor outside the file are; null: nowhere. Error(kFile) if sizes do not match the
/// declared shape, Error(kUnsupported) for odd types and values that are not finite.
Constant read_tensor(const onnx::TensorProto& tensor, const std::string& what, const ExternalData* external = nullptr);

Constant scalar(double value, ElementType type = ElementType::kFloat);
/// The only value of a one-element tensor.
std::optional<double> as_scalar(const Constant& constant);
/// As integers; those beyond 2^62 are taken for that.
std::vector<std::int64_t> as_integers(const Constant& constant);

constexpr std::int64_t kMaxElements = std::int64_t{1} << 29;
/// Product of non-negative dims, refused above the limit (no overflow on the way).
std::int64_t element_count(const std::vector<std::int64_t>& dims, const std::string& what,
                           std::int64_t limit = kMaxElements);

}  // namespace flash::compiler
