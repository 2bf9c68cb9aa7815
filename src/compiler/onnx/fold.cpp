#include "compiler/onnx/fold.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/error.h"
#include "compiler/onnx/node.h"

namespace flash::compiler {
namespace {

using Dims = std::vector<std::int64_t>;

constexpr std::int64_t kMaxFoldedElements = std::int64_t{1} << 24;  // of results that have no file bytes to bound them

Dims strides_of(const Dims& dims) {
    Dims strides(dims.size(), 1);
    for (std::size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
    return strides;
}

Constant broadcast(const Constant& left, const Constant& right, const std::function<double(double, double)>& op,
                   const std::string& node) {
    const std::size_t rank = std::max(left.dims.size(), right.dims.size());
    Dims a(rank - left.dims.size(), 1), b(rank - right.dims.size(), 1), dims(rank);
    a.insert(a.end(), left.dims.begin(), left.dims.end());
    b.insert(b.end(), right.dims.begin(), right.dims.end());
    for (std::size_t i = 0; i < rank; ++i) {
        if (a[i] != b[i] && a[i] != 1 && b[i] != 1) broken("node " + node + ": its inputs do not broadcast");
        dims[i] = a[i] == 1 ? b[i] : a[i];
    }
    const Dims a_strides = strides_of(a), b_strides = strides_of(b), strides = strides_of(dims);
    Constant result{
        dims, std::vector<double>(static_cast<std::size_t>(element_count(dims, "node " + node, kMaxFoldedElements)))};
    for (std::size_t index = 0; index < result.values.size(); ++index) {
        std::int64_t at_a = 0, at_b = 0;
        for (std::size_t i = 0; i < rank; ++i) {
            const std::int64_t coordinate = static_cast<std::int64_t>(index) / strides[i] % dims[i];
            at_a += a[i] == 1 ? 0 : coordinate * a_strides[i];
            at_b += b[i] == 1 ? 0 : coordinate * b_strides[i];
        }
        result.values[index] =
            op(left.values[static_cast<std::size_t>(at_a)], right.values[static_cast<std::size_t>(at_b)]);
    }
    return result;
}

std::int64_t clamp_index(std::int64_t index, std::int64_t extent) {
    return std::clamp<std::int64_t>(index < 0 ? index + extent : index, 0, extent);
}

Constant transpose(const onnx::NodeProto& node, const Constant& in) {
    Dims perm = integers_attribute(node, "perm");
    if (perm.empty())
        for (std::size_t i = in.dims.size(); i-- > 0;) perm.push_back(static_cast<std::int64_t>(i));
    if (perm.size() != in.dims.size()) broken("node " + node.name() + ": perm does not match its input");
    std::vector<bool> used(perm.size());
    Dims dims;
    for (std::int64_t axis : perm) {
        if (axis < 0 || axis >= static_cast<std::int64_t>(perm.size()) || used[static_cast<std::size_t>(axis)])
            broken("node " + node.name() + ": perm is not a permutation");
        used[static_cast<std::size_t>(axis)] = true;
        dims.push_back(in.dims[static_cast<std::size_t>(axis)]);
    }
    Constant out{dims, std::vector<double>(in.values.size())};
    const Dims from = strides_of(in.dims), to = strides_of(dims);
    for (std::size_t index = 0; index < out.values.size(); ++index) {
        std::int64_t at = 0;
        for (std::size_t i = 0; i < dims.size(); ++i)
            at += static_cast<std::int64_t>(index) / to[i] % dims[i] * from[static_cast<std::size_t>(perm[i])];
        out.values[index] = in.values[static_cast<std::size_t>(at)];
    }
    return out;
}

/// Axes of Squeeze and Unsqueeze: attribute before opset 13, second input from then on.
Dims axes_of(const onnx::NodeProto& node, const std::vector<const Constant*>& inputs) {
    return inputs.size() > 1 && inputs[1] ? as_integers(*inputs[1]) : integers_attribute(node, "axes");
}

Constant unsqueeze(const onnx::NodeProto& node, const Constant& in, const Dims& axes) {
    Dims dims = in.dims;
    const auto rank = static_cast<std::int64_t>(in.dims.size() + axes.size());
    std::vector<bool> added(static_cast<std::size_t>(rank));
    for (std::int64_t axis : axes) {
        const std::int64_t at = axis < 0 ? axis + rank : axis;
        if (at < 0 || at >= rank) broken("node " + node.name() + ": an axis is out of range");
        added[static_cast<std::size_t>(at)] = true;
    }
    dims.clear();
    std::size_t next = 0;
    for (bool one : added) {
        if (!one && next >= in.dims.size()) broken("node " + node.name() + ": an axis is given twice");
        dims.push_back(one ? 1 : in.dims[next++]);
    }
    if (next != in.dims.size()) broken("node " + node.name() + ": an axis is given twice");
    return {dims, in.values};
}

Constant squeeze(const onnx::NodeProto& node, const Constant& in, const Dims& axes) {
    const auto rank = static_cast<std::int64_t>(in.dims.size());
    std::vector<bool> dropped(in.dims.size());
    for (std::size_t i = 0; axes.empty() && i < dropped.size(); ++i) dropped[i] = in.dims[i] == 1;
    for (std::int64_t axis : axes) {
        const std::int64_t at = axis < 0 ? axis + rank : axis;
        if (at < 0 || at >= rank || in.dims[static_cast<std::size_t>(at)] != 1)
            broken("node " + node.name() + ": an axis cannot be squeezed");
        dropped[static_cast<std::size_t>(at)] = true;
    }
    Dims dims;
    for (std::size_t i = 0; i < dropped.size(); ++i)
        if (!dropped[i]) dims.push_back(in.dims[i]);
    return {dims, in.values};
}

Constant concat(const onnx::NodeProto& node, const std::vector<const Constant*>& inputs) {
    Constant out{{0}, {}};
    for (const Constant* in : inputs) {
        if (!in || in->dims.size() != 1)
            throw Error(ErrorKind::kUnsupported, "node " + node.name() + ": Concat is supported for shapes only");
        out.values.insert(out.values.end(), in->values.begin(), in->values.end());
    }
    out.dims[0] = static_cast<std::int64_t>(out.values.size());
    return out;
}

Constant gather(const onnx::NodeProto& node, const Constant& data, const Constant& indices) {
    if (data.dims.size() != 1 || indices.dims.size() > 1)
        throw Error(ErrorKind::kUnsupported, "node " + node.name() + ": Gather is supported for shapes only");
    Constant out{indices.dims, {}};
    for (std::int64_t index : as_integers(indices)) {
        if (index < 0) index += data.dims[0];
        if (index < 0 || index >= data.dims[0]) broken("node " + node.name() + ": an index is out of range");
        out.values.push_back(data.values[static_cast<std::size_t>(index)]);
    }
    return out;
}

Constant slice(const onnx::NodeProto& node, const std::vector<const Constant*>& inputs) {
    const Constant& data = *inputs[0];
    const auto one = [&](std::size_t i, std::int64_t fallback) {
        if (i >= inputs.size() || !inputs[i]) return fallback;
        const Dims values = as_integers(*inputs[i]);
        return values.size() == 1 ? values[0] : fallback;
    };
    if (data.dims.size() != 1 || inputs.size() < 3 || one(3, 0) != 0 || one(4, 1) != 1)
        throw Error(ErrorKind::kUnsupported, "node " + node.name() + ": Slice is supported for shapes only");
    const std::int64_t begin = clamp_index(one(1, 0), data.dims[0]),
                       end = std::max(begin, clamp_index(one(2, data.dims[0]), data.dims[0]));
    return {{end - begin}, {data.values.begin() + begin, data.values.begin() + end}};
}

}  // namespace

std::vector<std::int64_t> reshape_dims(const Dims& from, const Dims& target, bool allow_zero) {
    const std::int64_t count = element_count(from, "the input of a Reshape");
    Dims dims = target;
    std::int64_t known = 1;
    int unknown = -1;
    for (std::size_t i = 0; i < dims.size(); ++i) {
        if (dims[i] == 0 && !allow_zero) {
            if (i >= from.size()) broken("a Reshape copies a dimension that its input does not have");
            dims[i] = from[i];
        }
        if (dims[i] == -1) {
            if (unknown >= 0) broken("a Reshape leaves two dimensions open");
            unknown = static_cast<int>(i);
            continue;
        }
        if (dims[i] < 0 || dims[i] > kMaxElements) broken("a Reshape has an impossible target");
        known *= dims[i];
        if (known > kMaxElements) broken("a Reshape has an impossible target");
    }
    if (unknown >= 0) {
        if (known == 0 || count % known != 0) broken("a Reshape does not keep the number of elements");
        dims[static_cast<std::size_t>(unknown)] = count / known;
        known = count;
    }
    if (known != count) broken("a Reshape does not keep the number of elements");
    return dims;
}

std::optional<Constant> fold(const onnx::NodeProto& node, const std::vector<const Constant*>& inputs) {
    const std::string& op = node.op_type();
    if (op == "Constant") {
        if (const auto* a = attribute(node, "value")) return read_tensor(a->t(), "the constant of node " + node.name());
        if (const auto* a = attribute(node, "value_float")) return scalar(static_cast<double>(a->f()));
        if (const auto* a = attribute(node, "value_int")) return scalar(static_cast<double>(a->i()));
        if (const auto* a = attribute(node, "value_floats"))
            return Constant{{a->floats_size()}, {a->floats().begin(), a->floats().end()}};
        if (const auto* a = attribute(node, "value_ints"))
            return Constant{{a->ints_size()}, {a->ints().begin(), a->ints().end()}};
        throw Error(ErrorKind::kUnsupported, "node " + node.name() + ": a Constant of a kind that Flash does not read");
    }
    if (inputs.empty() || !inputs[0]) return std::nullopt;
    const Constant& first = *inputs[0];
    if (op == "Identity" || op == "Dropout") return first;
    if (op == "Cast") {
        Constant out = first;
        const std::int64_t to = integer_attribute(node, "to", 1);
        if (to != onnx::TensorProto::FLOAT && to != onnx::TensorProto::DOUBLE && to != onnx::TensorProto::FLOAT16)
            for (double& value : out.values) value = std::trunc(value);
        return out;
    }
    if (op == "ConstantOfShape") {
        const Dims dims = as_integers(first);
        double value = 0;
        if (const auto* a = attribute(node, "value"))
            value = as_scalar(read_tensor(a->t(), "node " + node.name())).value_or(0);
        return Constant{
            dims, std::vector<double>(
                      static_cast<std::size_t>(element_count(dims, "node " + node.name(), kMaxFoldedElements)), value)};
    }
    if (op == "Shape") {
        Constant out{{static_cast<std::int64_t>(first.dims.size())}, {}};
        for (std::int64_t dim : first.dims) out.values.push_back(static_cast<double>(dim));
        return out;
    }
    if (op == "Neg" || op == "Sqrt") {
        Constant out = first;
        for (double& value : out.values) value = op == "Neg" ? -value : std::sqrt(value);
        return out;
    }
    if (op == "Transpose") return transpose(node, first);
    if (op == "Unsqueeze") return unsqueeze(node, first, axes_of(node, inputs));
    if (op == "Squeeze") return squeeze(node, first, axes_of(node, inputs));
    if (op == "Concat") return concat(node, inputs);
    if (op == "Slice") return slice(node, inputs);
    if (inputs.size() < 2 || !inputs[1]) return std::nullopt;
    const Constant& second = *inputs[1];
    if (op == "Reshape")
        return Constant{reshape_dims(first.dims, as_integers(second), integer_attribute(node, "allowzero", 0) != 0),
                        first.values};
    if (op == "Gather") return gather(node, first, second);
    if (op == "Add")
        return broadcast(
            first, second, [](double a, double b) { return a + b; }, node.name());
    if (op == "Sub")
        return broadcast(
            first, second, [](double a, double b) { return a - b; }, node.name());
    if (op == "Mul")
        return broadcast(
            first, second, [](double a, double b) { return a * b; }, node.name());
    if (op == "Div")
        return broadcast(
            first, second, [](double a, double b) { return a / b; }, node.name());
    if (op == "Pow")
        return broadcast(
            first, second, [](double a, double b) { return std::pow(a, b); }, node.name());
    return std::nullopt;
}

}  // namespace flash::compiler
