#include "compiler/onnx/constant.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "compiler/onnx/node.h"

namespace flash::compiler {
namespace {

template <class T>
std::vector<double> read_raw(const std::string& raw, std::size_t count, const std::string& what) {
    if (raw.size() != count * sizeof(T)) broken(what + " has a size that does not match its shape");
    std::vector<double> values(count);
    for (std::size_t i = 0; i < count; ++i) {
        T value;
        std::memcpy(&value, raw.data() + i * sizeof(T), sizeof(T));
        values[i] = static_cast<double>(value);
    }
    return values;
}

template <class T, class Field>
std::vector<double> read_values(const onnx::TensorProto& tensor, const Field& field, std::size_t count,
                                const std::string& what) {
    if (tensor.has_raw_data()) return read_raw<T>(tensor.raw_data(), count, what);
    if (static_cast<std::size_t>(field.size()) != count) broken(what + " has a size that does not match its shape");
    return {field.begin(), field.end()};
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

Constant read_tensor(const onnx::TensorProto& tensor, const std::string& what) {
    if (tensor.data_location() == onnx::TensorProto::EXTERNAL || tensor.external_data_size() > 0)
        throw Error(ErrorKind::kUnsupported,
                    what + " is stored outside the ONNX file. Export the model as one file (weights inside)");
    Constant constant;
    constant.dims.assign(tensor.dims().begin(), tensor.dims().end());
    const auto count = static_cast<std::size_t>(element_count(constant.dims, what));
    switch (tensor.data_type()) {
        case onnx::TensorProto::FLOAT:
            constant.values = read_values<float>(tensor, tensor.float_data(), count, what);
            break;
        case onnx::TensorProto::DOUBLE:
            constant.values = read_values<double>(tensor, tensor.double_data(), count, what);
            break;
        case onnx::TensorProto::INT64:
            constant.values = read_values<std::int64_t>(tensor, tensor.int64_data(), count, what);
            break;
        case onnx::TensorProto::INT32:
            constant.values = read_values<std::int32_t>(tensor, tensor.int32_data(), count, what);
            break;
        case onnx::TensorProto::BOOL:
            constant.values = read_values<std::uint8_t>(tensor, tensor.int32_data(), count, what);
            break;
        default:
            throw Error(ErrorKind::kUnsupported, fmt::format("{} has ONNX data type {}; Flash reads float, double and "
                                                             "integers. Export the model in 32-bit float",
                                                             what, tensor.data_type()));
    }
    for (double value : constant.values)
        if (!std::isfinite(value))
            throw Error(ErrorKind::kInvalidArgument, what + " holds a value that is not a finite number");
    return constant;
}

Constant scalar(double value) { return {{}, {value}}; }

std::optional<double> as_scalar(const Constant& constant) {
    if (constant.values.size() != 1) return std::nullopt;
    return constant.values[0];
}

std::vector<std::int64_t> as_integers(const Constant& constant) {
    std::vector<std::int64_t> out;
    for (double value : constant.values) {
        if (!(std::abs(value) < 9.2e18)) broken("an index is out of range");
        out.push_back(static_cast<std::int64_t>(value));
    }
    return out;
}

}  // namespace flash::compiler
