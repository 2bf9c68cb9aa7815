#include "compiler/onnx/shape_rules.h"

#include <algorithm>
#include <limits>

#include "compiler/onnx/node.h"

namespace flash::compiler {
namespace {

/// A list of integers: an input if the node has that, else an attribute.
Dims list_of(const onnx::NodeProto& node, const Constants& inputs, std::size_t index, const char* name) {
    return index < inputs.size() && inputs[index] ? as_integers(*inputs[index]) : integers_attribute(node, name);
}

}  // namespace

std::size_t resolve_axis(const onnx::NodeProto& node, std::int64_t axis, std::size_t rank) {
    const auto count = static_cast<std::int64_t>(rank);
    if (axis < -count || axis >= count) broken("node " + label(node) + ": an axis is out of range");
    return static_cast<std::size_t>(axis < 0 ? axis + count : axis);
}

Dims reshape_dims(const Dims& from, const Dims& target, bool allow_zero) {
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
        dims[unknown] = count / known;
        known = count;
    }
    if (known != count) broken("a Reshape does not keep the number of elements");
    return dims;
}

Dims flatten_dims(const onnx::NodeProto& node, const Dims& from) {
    const auto rank = static_cast<std::int64_t>(from.size());
    std::int64_t axis = integer_attribute(node, "axis", 1);
    if (axis < 0) axis += rank;
    if (axis < 0 || axis > rank) broken("node " + label(node) + ": its axis is out of range");
    Dims to(2, 1);
    for (std::int64_t i = 0; i < rank; ++i) to[i < axis ? 0 : 1] *= from[i];
    return to;
}

Dims squeeze_dims(const onnx::NodeProto& node, const Dims& from, const Constants& inputs) {
    const Dims axes = list_of(node, inputs, 1, "axes");
    std::vector<bool> dropped(from.size());
    for (std::size_t i = 0; axes.empty() && i < from.size(); ++i) dropped[i] = from[i] == 1;
    for (std::int64_t axis : axes) {
        const std::size_t at = resolve_axis(node, axis, from.size());
        if (from[at] != 1) broken("node " + label(node) + ": an axis cannot be squeezed");
        dropped[at] = true;
    }
    Dims dims;
    for (std::size_t i = 0; i < from.size(); ++i)
        if (!dropped[i]) dims.push_back(from[i]);
    return dims;
}

Dims unsqueeze_dims(const onnx::NodeProto& node, const Dims& from, const Constants& inputs) {
    const Dims axes = list_of(node, inputs, 1, "axes");
    std::vector<bool> added(from.size() + axes.size());
    for (std::int64_t axis : axes) {
        const std::size_t at = resolve_axis(node, axis, added.size());
        if (added[at]) broken("node " + label(node) + ": an axis is given twice");
        added[at] = true;
    }
    Dims dims;
    std::size_t next = 0;
    for (bool one : added) dims.push_back(one ? 1 : from[next++]);
    return dims;
}

Dims permutation(const onnx::NodeProto& node, std::size_t rank) {
    Dims perm = integers_attribute(node, "perm");
    if (perm.empty())
        for (std::size_t i = rank; i-- > 0;) perm.push_back(static_cast<std::int64_t>(i));
    if (perm.size() != rank) broken("node " + label(node) + ": perm does not match its input");
    std::vector<bool> used(rank);
    for (std::int64_t axis : perm) {
        if (axis < 0 || axis >= static_cast<std::int64_t>(rank) || used[axis])
            broken("node " + label(node) + ": perm is not a permutation");
        used[axis] = true;
    }
    return perm;
}

Constant shape_constant(const onnx::NodeProto& node, const Dims& from) {
    const auto rank = static_cast<std::int64_t>(from.size());
    const auto bound = [&](const char* name, std::int64_t fallback) {
        const std::int64_t value = integer_attribute(node, name, fallback);
        return std::clamp<std::int64_t>(value < 0 ? value + rank : value, 0, rank);
    };
    const std::int64_t first = bound("start", 0), last = std::max(first, bound("end", rank));
    return {{last - first}, {from.begin() + first, from.begin() + last}, ElementType::kInteger};
}

std::vector<Range> slice_ranges(const onnx::NodeProto& node, const Dims& from, const Constants& inputs) {
    const Dims starts = list_of(node, inputs, 1, "starts"), ends = list_of(node, inputs, 2, "ends"),
               steps = list_of(node, inputs, 4, "steps");
    Dims axes = list_of(node, inputs, 3, "axes");
    if (axes.empty())
        for (std::size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
    if (ends.size() != starts.size() || axes.size() != starts.size() ||
        (!steps.empty() && steps.size() != starts.size()))
        broken("node " + label(node) + ": its starts, ends, axes and steps do not match");
    std::vector<Range> ranges;
    for (std::int64_t extent : from) ranges.push_back({0, 1, extent});
    for (std::size_t i = 0; i < starts.size(); ++i) {
        const std::size_t axis = resolve_axis(node, axes[i], from.size());
        const std::int64_t extent = from[axis], step = steps.empty() ? 1 : steps[i];
        if (step == 0) broken("node " + label(node) + ": a step is zero");
        const std::int64_t low = step > 0 ? 0 : -1, high = step > 0 ? extent : extent - 1;
        const auto bound = [&](std::int64_t value, std::int64_t least) {
            return std::clamp(value < 0 ? value + extent : value, least, std::max(least, high));
        };
        const std::int64_t start = bound(starts[i], 0), end = bound(ends[i], low);
        const std::int64_t span = step > 0 ? end - start : start - end, stride = step > 0 ? step : -step;
        ranges[axis] = {start, step, extent > 0 && span > 0 ? (span - 1) / stride + 1 : 0};
    }
    return ranges;
}

Dims split_sizes(const onnx::NodeProto& node, std::int64_t extent, const Constants& inputs) {
    Dims sizes = list_of(node, inputs, 1, "split");
    const std::int64_t outputs = node.output_size();
    if (sizes.empty()) {  // equal parts, the last one perhaps smaller
        const std::int64_t parts = integer_attribute(node, "num_outputs", outputs);
        if (parts != outputs || parts < 1) broken("node " + label(node) + ": it has not num_outputs outputs");
        const std::int64_t part = (extent + parts - 1) / parts;
        sizes.assign(static_cast<std::size_t>(parts), part);
        sizes.back() = extent - part * (parts - 1);
    }
    std::int64_t total = 0;
    for (std::int64_t size : sizes) {
        if (size < 0 || size > extent) broken("node " + label(node) + ": it splits into impossible parts");
        total += size;
    }
    if (total != extent || static_cast<std::int64_t>(sizes.size()) != outputs)
        broken("node " + label(node) + ": its parts do not add up to its input");
    return sizes;
}

std::vector<bool> reduced_dims(const onnx::NodeProto& node, std::size_t rank, const Constants& inputs) {
    const Dims axes = list_of(node, inputs, 1, "axes");
    if (axes.empty()) return std::vector<bool>(rank, integer_attribute(node, "noop_with_empty_axes", 0) == 0);
    std::vector<bool> reduced(rank, false);
    for (std::int64_t axis : axes) reduced[resolve_axis(node, axis, rank)] = true;
    return reduced;
}

}  // namespace flash::compiler
