#include "compiler/onnx/constant.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "compiler/onnx/external_data.h"
#include "compiler/onnx/node.h"

namespace flash::compiler {
namespace {

/// The bytes of a tensor that is not written as numbers, from the file itself or from beside it.
struct Source {
    const onnx::TensorProto& tensor;
    std::size_t count;
    const std::string& what;
    const ExternalData* external;
};

template <class T, class Field>
std::vector<double> read_values(const Source& source, const Field& field) {
    const onnx::TensorProto& tensor = source.tensor;
    std::string outside;
    const bool is_outside = tensor.data_location() == onnx::TensorProto::EXTERNAL;
    if (is_outside) outside = source.external->read(tensor, source.count * sizeof(T), source.what);
    if (!is_outside && !tensor.has_raw_data()) {
        if (static_cast<std::size_t>(field.size()) != source.count)
            broken(source.what + " has a size that does not match its shape");
        return {field.begin(), field.end()};
    }
    const std::string& raw = is_outside ? outside : tensor.raw_data();
    if (raw.size() != source.count * sizeof(T)) broken(source.what + " has a size that does not match its shape");
    std::vector<double> values(source.count);
    for (std::size_t i = 0; i < source.count; ++i) {
        T value;
        std::memcpy(&value, raw.data() + i * sizeof(T), sizeof(T));
        values[i] = static_cast<double>(value);
    }
    return values;
}

}  // namespace

std::int64_t element_count(const std::vector<std::int64_t>& dims, const std::string& what, std::int64_t limit) {
    if (dims.size() > 8) broken(what + " has too many dimensions");
    std::int64_t count = 1;
    for (std::int64_t dim : dims) {
        if (dim < 0 || dim > limit) broken(what + " has an impossible shape");
        count *= dim;
        if (count > limit) broken(what + " is too large");
    }
    return count;
}

Constant read_tensor(const onnx::TensorProto& tensor, const std::string& what, const ExternalData* external) {
    if (tensor.data_location() == onnx::TensorProto::EXTERNAL && !external)
        throw Error(ErrorKind::kUnsupported,
                    what + " is stored outside the ONNX file. Export the model as one file (weights inside)");
    Constant constant;
    constant.dims.assign(tensor.dims().begin(), tensor.dims().end());
    const Source source{tensor, static_cast<std::size_t>(element_count(constant.dims, what)), what, external};
    const auto& int32 = tensor.int32_data();
    constant.type = ElementType::kInteger;
    switch (tensor.data_type()) {
        case onnx::TensorProto::FLOAT:
            constant.type = ElementType::kFloat;
            constant.values = read_values<float>(source, tensor.float_data());
            break;
        case onnx::TensorProto::DOUBLE:
            constant.type = ElementType::kFloat;
            constant.values = read_values<double>(source, tensor.double_data());
            break;
        case onnx::TensorProto::BOOL:
            constant.type = ElementType::kBool;
            constant.values = read_values<std::uint8_t>(source, int32);
            break;
        case onnx::TensorProto::INT64: constant.values = read_values<std::int64_t>(source, tensor.int64_data()); break;
        case onnx::TensorProto::INT32: constant.values = read_values<std::int32_t>(source, int32); break;
        case onnx::TensorProto::INT16: constant.values = read_values<std::int16_t>(source, int32); break;
        case onnx::TensorProto::INT8: constant.values = read_values<std::int8_t>(source, int32); break;
        case onnx::TensorProto::UINT8: constant.values = read_values<std::uint8_t>(source, int32); break;
        default:
            throw Error(ErrorKind::kUnsupported, fmt::format("{} has ONNX data type {}; Flash reads float, double and "
                                                             "integers. Export the model in 32-bit float",
                                                             what, tensor.data_type()));
    }
    for (double value : constant.values)
        if (!std::isfinite(value))
            throw Error(ErrorKind::kUnsupported,
                        what +
                            " holds a value that is not a finite number: the training has diverged, or the export "
                            "has failed. Export the network from a sound checkpoint");
    return constant;
}

Constant scalar(double value, ElementType type) { return {{}, {value}, type}; }

std::optional<double> as_scalar(const Constant& constant) {
    if (constant.values.size() != 1) return std::nullopt;
    return constant.values[0];
}

std::vector<std::int64_t> as_integers(const Constant& constant) {
    constexpr double kLimit = 0x1p62;
    std::vector<std::int64_t> out;
    for (double value : constant.values)
        out.push_back(static_cast<std::int64_t>(std::isnan(value) ? 0 : std::clamp(value, -kLimit, kLimit)));
    return out;
}

}  // namespace flash::compiler
