// Operators that change the view of a map, and those without effect.
#include "compiler/onnx/node.h"
#include "compiler/onnx/operators.h"

namespace flash::compiler {
namespace {

View reshape(const onnx::NodeProto& node, const View& in, const std::vector<std::int64_t>& dims) {
    std::optional<View> out = reshaped(in, dims);
    if (!out)
        unsupported(label(node),
                    "it divides an axis of the map (a channel shuffle, a split into patches or heads). Flash keeps "
                    "channels, rows and columns whole: it joins them, as Flatten does, and drops or adds axes of "
                    "extent 1");
    return *out;
}

}  // namespace

View read_flatten(Reader& reader, const onnx::NodeProto& node) {
    const View& in = reader.unpadded(node, 0);
    return reshape(node, in, flatten_dims(node, in.dims()));
}

View read_reshape(Reader& reader, const onnx::NodeProto& node) {
    const View& in = reader.unpadded(node, 0);
    return reshape(node, in,
                   reshape_dims(in.dims(), as_integers(reader.needed_constant(node, 1, "the target of a Reshape")),
                                integer_attribute(node, "allowzero", 0) != 0));
}

View read_squeeze(Reader& reader, const onnx::NodeProto& node) {
    const View& in = reader.unpadded(node, 0);
    return reshape(node, in, squeeze_dims(node, in.dims(), reader.parameters(node, "axes")));
}

View read_unsqueeze(Reader& reader, const onnx::NodeProto& node) {
    const View& in = reader.unpadded(node, 0);
    return reshape(node, in, unsqueeze_dims(node, in.dims(), reader.parameters(node, "axes")));
}

View read_transpose(Reader& reader, const onnx::NodeProto& node) {
    View out = reader.view(node, 0);
    const std::vector<Axes> from = out.dimensions;
    const Dims perm = permutation(node, from.size());
    for (std::size_t i = 0; i < from.size(); ++i) out.dimensions[i] = from[static_cast<std::size_t>(perm[i])];
    return out;
}

View read_identity(Reader& reader, const onnx::NodeProto& node) { return reader.view(node, 0); }

View read_dropout(Reader& reader, const onnx::NodeProto& node) {
    if (Reader::has_input(node, 2) && as_scalar(reader.needed_constant(node, 2, "the mode of Dropout")) != 0.0)
        unsupported(label(node), "it is in training mode. Call model.eval() before the export");
    return reader.view(node, 0);
}

View read_cast(Reader& reader, const onnx::NodeProto& node) {
    const std::int64_t to = integer_attribute(node, "to", 0);
    if (to != onnx::TensorProto::FLOAT && to != onnx::TensorProto::DOUBLE)
        unsupported(label(node), "it casts a map to a type other than float");
    return reader.view(node, 0);
}

View read_cast_like(Reader& reader, const onnx::NodeProto& node) {
    const Constant* like = reader.constant(node, 1);
    if (like && like->type != ElementType::kFloat)
        unsupported(label(node), "it casts a map to a type other than float");
    return reader.view(node, 0);
}

Constant measure_shape(Reader& reader, const onnx::NodeProto& node) {
    return shape_constant(node, reader.unpadded(node, 0).dims());
}

Constant measure_size(Reader& reader, const onnx::NodeProto& node) {
    return scalar(static_cast<double>(reader.unpadded(node, 0).shape.size()), ElementType::kInteger);
}

}  // namespace flash::compiler
