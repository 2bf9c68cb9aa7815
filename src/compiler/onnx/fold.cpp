#include "compiler/onnx/fold.h"

#include <algorithm>
#include <cmath>

#include "compiler/onnx/fold_support.h"
#include "compiler/onnx/node.h"

namespace flash::compiler {

std::size_t folded_size(const FoldNode& node, const Dims& dims) {
    return static_cast<std::size_t>(element_count(dims, "node " + label(node.node), kMaxFoldedElements));
}

Dims strides_of(const Dims& dims) {
    Dims strides(dims.size(), 1);
    for (std::size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
    return strides;
}

Dims common_dims(const FoldNode& node, const Dims& left, const Dims& right) {
    const std::size_t rank = std::max(left.size(), right.size());
    Dims a(rank - left.size(), 1), b(rank - right.size(), 1), dims(rank);
    a.insert(a.end(), left.begin(), left.end());
    b.insert(b.end(), right.begin(), right.end());
    for (std::size_t i = 0; i < rank; ++i) {
        if (a[i] != b[i] && a[i] != 1 && b[i] != 1)
            broken("node " + label(node.node) + ": its inputs do not broadcast");
        dims[i] = a[i] == 1 ? b[i] : a[i];
    }
    return dims;
}

Constant expanded(const FoldNode& node, const Constant& in, const Dims& dims) {
    Dims from(dims.size() - in.dims.size(), 1);
    from.insert(from.end(), in.dims.begin(), in.dims.end());
    const Dims from_strides = strides_of(from), strides = strides_of(dims);
    Constant result{dims, std::vector<double>(folded_size(node, dims)), in.type};
    for (std::size_t index = 0; index < result.values.size(); ++index) {
        std::int64_t at = 0;
        for (std::size_t i = 0; i < dims.size(); ++i)
            at += from[i] == 1 ? 0 : static_cast<std::int64_t>(index) / strides[i] % dims[i] * from_strides[i];
        result.values[index] = in.values[at];
    }
    return result;
}

namespace {

using Results = FoldResults;

/// The elements with these coordinates along every dimension.
Constant pick(const FoldNode& node, const Constant& in, const std::vector<Dims>& coordinates) {
    Constant result{{}, {}, in.type};
    for (const Dims& list : coordinates) result.dims.push_back(static_cast<std::int64_t>(list.size()));
    result.values.resize(folded_size(node, result.dims));
    const Dims from = strides_of(in.dims), to = strides_of(result.dims);
    for (std::size_t index = 0; index < result.values.size(); ++index) {
        std::int64_t at = 0;
        for (std::size_t i = 0; i < from.size(); ++i)
            at += coordinates[i][static_cast<std::size_t>(static_cast<std::int64_t>(index) / to[i] % result.dims[i])] *
                  from[i];
        result.values[index] = in.values[at];
    }
    return result;
}

Dims elements(const Range& range) {
    Dims list;
    for (std::int64_t i = 0; i < range.count; ++i) list.push_back(range.start + i * range.step);
    return list;
}

std::vector<Dims> all_elements(const Dims& dims) {
    std::vector<Dims> lists;
    for (std::int64_t extent : dims) lists.push_back(elements({0, 1, extent}));
    return lists;
}

Results slice(const FoldNode& node) {
    std::vector<Dims> lists;
    for (const Range& range : slice_ranges(node.node, node.input(0).dims, node.inputs))
        lists.push_back(elements(range));
    return {pick(node, node.input(0), lists)};
}

Results split(const FoldNode& node) {
    const Constant& in = node.input(0);
    const std::size_t axis = resolve_axis(node.node, integer_attribute(node.node, "axis", 0), in.dims.size());
    Results parts;
    std::int64_t first = 0;
    for (std::int64_t size : split_sizes(node.node, in.dims[axis], node.inputs)) {
        std::vector<Dims> lists = all_elements(in.dims);
        lists[axis] = elements({first, 1, size});
        parts.push_back(pick(node, in, lists));
        first += size;
    }
    return parts;
}

Results gather(const FoldNode& node) {
    const Constant &in = node.input(0), &indices = node.input(1);
    const std::size_t axis = resolve_axis(node.node, integer_attribute(node.node, "axis", 0), in.dims.size());
    std::vector<Dims> lists = all_elements(in.dims);
    lists[axis].clear();
    for (std::int64_t index : as_integers(indices)) {
        if (index < 0) index += in.dims[axis];
        if (index < 0 || index >= in.dims[axis]) broken("node " + label(node.node) + ": an index is out of range");
        lists[axis].push_back(index);
    }
    Constant result = pick(node, in, lists);
    result.dims.erase(result.dims.begin() + static_cast<std::ptrdiff_t>(axis));
    result.dims.insert(result.dims.begin() + static_cast<std::ptrdiff_t>(axis), indices.dims.begin(),
                       indices.dims.end());
    return {result};
}

Results concat(const FoldNode& node) {
    Constant result = node.input(0);
    const std::size_t axis = resolve_axis(node.node, integer_attribute(node.node, "axis", 0), result.dims.size());
    std::int64_t outer = 1;
    for (std::size_t i = 0; i < axis; ++i) outer *= result.dims[i];
    result.dims[axis] = 0;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        Dims dims = node.input(i).dims;
        if (dims.size() != result.dims.size()) broken("node " + label(node.node) + ": its inputs do not match");
        result.dims[axis] += dims[axis];
        dims[axis] = result.dims[axis];
        if (dims != result.dims) broken("node " + label(node.node) + ": its inputs do not match");
    }
    result.values.clear();
    for (std::int64_t o = 0; o < outer; ++o)
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            const std::vector<double>& values = node.input(i).values;
            const auto count = static_cast<std::ptrdiff_t>(values.size()) / outer;
            result.values.insert(result.values.end(), values.begin() + o * count, values.begin() + (o + 1) * count);
        }
    return {result};
}

Results transpose(const FoldNode& node) {
    const Constant& in = node.input(0);
    const Dims perm = permutation(node.node, in.dims.size());
    Constant result{{}, std::vector<double>(in.values.size()), in.type};
    for (std::int64_t axis : perm) result.dims.push_back(in.dims[axis]);
    const Dims from = strides_of(in.dims), to = strides_of(result.dims);
    for (std::size_t index = 0; index < result.values.size(); ++index) {
        std::int64_t at = 0;
        for (std::size_t i = 0; i < perm.size(); ++i)
            at += static_cast<std::int64_t>(index) / to[i] % result.dims[i] * from[static_cast<std::size_t>(perm[i])];
        result.values[index] = in.values[at];
    }
    return {result};
}

Constant with_dims(const Constant& in, Dims dims) { return {std::move(dims), in.values, in.type}; }

Results reshape(const FoldNode& node) {
    return {with_dims(node.input(0), reshape_dims(node.input(0).dims, as_integers(node.input(1)),
                                                  integer_attribute(node.node, "allowzero", 0) != 0))};
}
Results flatten(const FoldNode& node) {
    return {with_dims(node.input(0), flatten_dims(node.node, node.input(0).dims))};
}
Results squeeze(const FoldNode& node) {
    return {with_dims(node.input(0), squeeze_dims(node.node, node.input(0).dims, node.inputs))};
}
Results unsqueeze(const FoldNode& node) {
    return {with_dims(node.input(0), unsqueeze_dims(node.node, node.input(0).dims, node.inputs))};
}

Results expand(const FoldNode& node) {
    return {expanded(node, node.input(0), common_dims(node, node.input(0).dims, as_integers(node.input(1))))};
}

Results tile(const FoldNode& node) {
    const Constant& in = node.input(0);
    const Dims repeats = as_integers(node.input(1));
    if (repeats.size() != in.dims.size()) broken("node " + label(node.node) + ": its repeats do not match its input");
    std::vector<Dims> lists;
    for (std::size_t i = 0; i < repeats.size(); ++i) {
        if (repeats[i] < 0 || repeats[i] > kMaxFoldedElements || in.dims[i] > kMaxFoldedElements ||
            repeats[i] * in.dims[i] > kMaxFoldedElements)
            broken("node " + label(node.node) + " is too large");
        lists.emplace_back();
        for (std::int64_t j = 0; j < repeats[i] * in.dims[i]; ++j) lists.back().push_back(j % in.dims[i]);
    }
    return {pick(node, in, lists)};
}

Results range(const FoldNode& node) {
    const auto number = [&](std::size_t index) {
        const auto value = as_scalar(node.input(index));
        if (!value) broken("node " + label(node.node) + ": its bounds are not single numbers");
        return *value;
    };
    const double start = number(0), limit = number(1), delta = number(2);
    const double count = delta == 0 ? -1 : std::max(0.0, std::ceil((limit - start) / delta));
    if (!(count >= 0 && count <= static_cast<double>(kMaxFoldedElements)))
        broken("node " + label(node.node) + ": its range is impossible");
    Constant result{{static_cast<std::int64_t>(count)}, {}, node.input(0).type};
    for (std::int64_t i = 0; i < result.dims[0]; ++i) result.values.push_back(start + static_cast<double>(i) * delta);
    return {result};
}

ElementType element_type(const FoldNode& node, std::int64_t type) {
    switch (type) {
        case onnx::TensorProto::FLOAT:
        case onnx::TensorProto::DOUBLE:
        case onnx::TensorProto::FLOAT16:
        case onnx::TensorProto::BFLOAT16: return ElementType::kFloat;
        case onnx::TensorProto::BOOL: return ElementType::kBool;
        case onnx::TensorProto::INT8:
        case onnx::TensorProto::INT16:
        case onnx::TensorProto::INT32:
        case onnx::TensorProto::INT64:
        case onnx::TensorProto::UINT8:
        case onnx::TensorProto::UINT16:
        case onnx::TensorProto::UINT32:
        case onnx::TensorProto::UINT64: return ElementType::kInteger;
        default: unsupported(label(node.node), "it casts to a type that is no number");
    }
}

Constant converted(Constant in, ElementType type) {
    for (double& value : in.values) {
        if (type == ElementType::kInteger) value = std::trunc(value);
        if (type == ElementType::kBool) value = value != 0 ? 1 : 0;
    }
    in.type = type;
    return in;
}

Results cast(const FoldNode& node) {
    return {converted(node.input(0), element_type(node, integer_attribute(node.node, "to", 0)))};
}
Results cast_like(const FoldNode& node) { return {converted(node.input(0), node.input(1).type)}; }

Results constant(const FoldNode& node) {
    const onnx::NodeProto& n = node.node;
    if (const auto* a = attribute(n, "value", onnx::AttributeProto::TENSOR))
        return {read_tensor(a->t(), "the constant of node " + label(n))};
    if (const auto* a = attribute(n, "value_float", onnx::AttributeProto::FLOAT))
        return {scalar(static_cast<double>(a->f()))};
    if (const auto* a = attribute(n, "value_int", onnx::AttributeProto::INT))
        return {scalar(static_cast<double>(a->i()), ElementType::kInteger)};
    if (const auto* a = attribute(n, "value_floats", onnx::AttributeProto::FLOATS))
        return {{{a->floats_size()}, {a->floats().begin(), a->floats().end()}, ElementType::kFloat}};
    if (const auto* a = attribute(n, "value_ints", onnx::AttributeProto::INTS))
        return {{{a->ints_size()}, {a->ints().begin(), a->ints().end()}, ElementType::kInteger}};
    unsupported(label(n), "a constant of text or a sparse one. Flash reads dense numbers");
}

Results constant_of_shape(const FoldNode& node) {
    const Dims dims = as_integers(node.input(0));
    Constant value = scalar(0);
    if (const auto* a = attribute(node.node, "value", onnx::AttributeProto::TENSOR))
        value = read_tensor(a->t(), "node " + label(node.node));
    if (value.values.size() != 1) broken("node " + label(node.node) + ": its value is not a single number");
    return {{dims, std::vector<double>(folded_size(node, dims), value.values[0]), value.type}};
}

Results shape(const FoldNode& node) { return {shape_constant(node.node, node.input(0).dims)}; }
Results size(const FoldNode& node) {
    return {scalar(static_cast<double>(node.input(0).values.size()), ElementType::kInteger)};
}
Results identity(const FoldNode& node) { return {node.input(0)}; }

}  // namespace

const Constant& FoldNode::input(std::size_t index) const {
    if (!has(index)) broken("node " + label(node) + " lacks an input");
    return *inputs[index];
}

Fold find_fold(const std::string& op_type) {
    static const std::map<std::string, Fold> folds = {
        {"Cast", cast},
        {"CastLike", cast_like},
        {"Concat", concat},
        {"Constant", constant},
        {"ConstantOfShape", constant_of_shape},
        {"Dropout", identity},
        {"Expand", expand},
        {"Flatten", flatten},
        {"Gather", gather},
        {"Identity", identity},
        {"Range", range},
        {"Reshape", reshape},
        {"Shape", shape},
        {"Size", size},
        {"Slice", slice},
        {"Split", split},
        {"Squeeze", squeeze},
        {"Tile", tile},
        {"Transpose", transpose},
        {"Unsqueeze", unsqueeze},
    };
    const auto found = folds.find(op_type);
    if (found != folds.end()) return found->second;
    const auto arithmetic = arithmetic_folds().find(op_type);
    return arithmetic == arithmetic_folds().end() ? nullptr : arithmetic->second;
}

}  // namespace flash::compiler
