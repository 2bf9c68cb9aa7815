// Operators that move elements or keep them: concatenations, padding, reshaping, and those without effect.
#include <fmt/format.h>

#include <algorithm>

#include "compiler/onnx/fold.h"
#include "compiler/onnx/node.h"
#include "compiler/onnx/operators.h"

namespace flash::compiler {
namespace {

View reshape(const onnx::NodeProto& node, const View& in, const std::vector<std::int64_t>& dims) {
    std::optional<View> out = reshaped(in, dims);
    if (!out)
        unsupported(label(node),
                    "Flash reshapes [N, C, H, W] to [N, C*H*W] only, as Flatten does (and drops or adds spatial axes "
                    "of extent 1)");
    return *out;
}

}  // namespace

View read_concat(Reader& reader, const onnx::NodeProto& node) {
    View out = reader.unpadded(node, 0);
    const auto rank = static_cast<std::int64_t>(out.dimensions.size());
    std::int64_t axis = integer_attribute(node, "axis", 0);
    if (axis < 0) axis += rank;
    Concatenate parts;
    out.shape.channels = 0;
    for (int i = 0; i < node.input_size(); ++i) {
        const View& part = reader.unpadded(node, i);
        if (part.shape.height != out.shape.height || part.shape.width != out.shape.width ||
            static_cast<std::int64_t>(part.dimensions.size()) != rank)
            unsupported(layer_name(node), "it concatenates maps of different height or width");
        // The dimension must run over the channels, and over nothing slower; one channel leaves no trace in it.
        Axes axes = axis >= 1 && axis < rank ? part.dimensions[static_cast<std::size_t>(axis)] : Axes{Axis::kRow};
        if (part.shape.channels == 1) axes.insert(axes.begin(), Axis::kChannel);
        View whole = part;
        if (axis >= 1 && axis < rank) whole.dimensions[static_cast<std::size_t>(axis)] = axes;
        if (i == 0) out.dimensions = whole.dimensions;
        if (axes.front() != Axis::kChannel || (part.shape.channels == 1 && axes.size() > 1) ||
            whole.dimensions != out.dimensions)
            unsupported(label(node), "Flash concatenates along the channels only (axis 1)");
        parts.of.push_back(part.value);
        out.shape.channels += part.shape.channels;
        if (out.shape.channels > model::kMaxChannels)
            unsupported(layer_name(node), fmt::format("it makes more than {} channels", model::kMaxChannels));
    }
    return reader.append_alike(layer_name(node), view_as(0, out.shape, out.dimensions), std::move(parts));
}

View read_pad(Reader& reader, const onnx::NodeProto& node) {
    View out = reader.view(node, 0);
    if (string_attribute(node, "mode", "constant") != "constant")
        unsupported(label(node), "only padding by zeros is supported");
    const std::vector<std::int64_t> pads = as_integers(reader.needed_constant(node, 1, "the pads of Pad"));
    if (Reader::has_input(node, 2) && as_scalar(reader.needed_constant(node, 2, "the value of Pad")) != 0.0)
        unsupported(label(node), "only padding by zeros is supported");
    if (std::ranges::all_of(pads, [](std::int64_t p) { return p == 0; })) return out;
    if (!out.image() || pads.size() != 8 || pads[0] != 0 || pads[1] != 0 || pads[4] != 0 || pads[5] != 0)
        unsupported(label(node), "only the two spatial axes can be padded");
    const std::int64_t spatial[] = {pads[2], pads[3], pads[6], pads[7]};
    for (std::size_t i = 0; i < 4; ++i) {
        if (spatial[i] < 0 || spatial[i] > model::kMaxExtent)
            unsupported(label(node), "its padding is negative or too large");
        out.pads[i] = std::min(out.pads[i] + static_cast<int>(spatial[i]), model::kMaxExtent);
    }
    return out;
}

View read_flatten(Reader& reader, const onnx::NodeProto& node) {
    const View& in = reader.unpadded(node, 0);
    const std::vector<std::int64_t> from = in.dims();
    const auto rank = static_cast<std::int64_t>(from.size());
    std::int64_t axis = integer_attribute(node, "axis", 1);
    if (axis < 0) axis += rank;
    if (axis < 0 || axis > rank) broken("node " + label(node) + ": its axis is out of range");
    std::vector<std::int64_t> to(2, 1);
    for (std::int64_t i = 0; i < rank; ++i) to[i < axis ? 0 : 1] *= from[static_cast<std::size_t>(i)];
    return reshape(node, in, to);
}

View read_reshape(Reader& reader, const onnx::NodeProto& node) {
    const View& in = reader.unpadded(node, 0);
    return reshape(node, in,
                   reshape_dims(in.dims(), as_integers(reader.needed_constant(node, 1, "the target of a Reshape")),
                                integer_attribute(node, "allowzero", 0) != 0));
}

View read_squeeze(Reader& reader, const onnx::NodeProto& node) {
    const View& in = reader.unpadded(node, 0);
    const Constant shape{in.dims(), {}};  // the rules of constants work out the dimensions
    std::vector<const Constant*> inputs{&shape};
    if (Reader::has_input(node, 1)) inputs.push_back(&reader.needed_constant(node, 1, "axes"));
    return reshape(node, in, fold(node, inputs)->dims);
}

View read_transpose(Reader& reader, const onnx::NodeProto& node) {
    const View& in = reader.unpadded(node, 0);
    std::vector<std::int64_t> perm = integers_attribute(node, "perm");
    const std::size_t rank = in.dimensions.size();
    if (perm.empty())
        for (std::size_t i = rank; i-- > 0;) perm.push_back(static_cast<std::int64_t>(i));
    View out = in;
    std::vector<bool> used(rank, false);
    if (perm.size() != rank) broken("node " + label(node) + ": perm does not match its input");
    for (std::size_t i = 0; i < rank; ++i) {
        const auto from = static_cast<std::size_t>(perm[i]);
        if (perm[i] < 0 || from >= rank || used[from]) broken("node " + label(node) + ": perm is not a permutation");
        used[from] = true;
        out.dimensions[i] = in.dimensions[from];
    }
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

}  // namespace flash::compiler
