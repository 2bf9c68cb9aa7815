// What the shape operators of ONNX mean, for constants and for maps alike: which dimensions, elements and axes a node
// asks for. Parameters are attributes in older versions of the operators and inputs in newer ones; both are read.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <vector>

#include "compiler/onnx/constant.h"

namespace flash::compiler {

using Dims = std::vector<std::int64_t>;
/// A node's inputs; null for what is absent, or a map.
using Constants = std::vector<const Constant*>;

/// An axis of a tensor of this rank, counted from the end if negative; Error(kFile) if there is no such.
std::size_t resolve_axis(const onnx::NodeProto& node, std::int64_t axis, std::size_t rank);

/// Resolves the target of a Reshape (0: copy, -1: infer) of a tensor with these dims; Error(kFile) if it does not fit.
Dims reshape_dims(const Dims& from, const Dims& target, bool allow_zero);
Dims flatten_dims(const onnx::NodeProto& node, const Dims& from);
Dims squeeze_dims(const onnx::NodeProto& node, const Dims& from, const Constants& inputs);
Dims unsqueeze_dims(const onnx::NodeProto& node, const Dims& from, const Constants& inputs);
/// Of a Transpose; without `perm` the dimensions are reversed.
Dims permutation(const onnx::NodeProto& node, std::size_t rank);
/// The part of a shape that a Shape node gives (start, end).
Constant shape_constant(const onnx::NodeProto& node, const Dims& from);

/// The elements start, start + step, ... of one dimension.
struct Range {
    std::int64_t start = 0, step = 1, count = 0;
    bool whole(std::int64_t extent) const { return start == 0 && step == 1 && count == extent; }
};
/// What a Slice takes of every dimension.
std::vector<Range> slice_ranges(const onnx::NodeProto& node, const Dims& from, const Constants& inputs);
/// The extents of a Split's outputs along its axis.
Dims split_sizes(const onnx::NodeProto& node, std::int64_t extent, const Constants& inputs);
/// Which dimensions a reduction goes over.
std::vector<bool> reduced_dims(const onnx::NodeProto& node, std::size_t rank, const Constants& inputs);

}  // namespace flash::compiler
