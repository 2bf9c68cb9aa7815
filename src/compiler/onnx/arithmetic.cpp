// Arithmetic between maps and with constants per channel, batch norms among it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "compiler/onnx/node.h"
#include "compiler/onnx/operators.h"

namespace flash::compiler {
namespace {

constexpr const char* kDifferentShapes =
    "it adds tensors of different shapes; Flash adds tensors of equal shape and constants per channel";

/// The constant as one number per channel of the view, which it is broadcast to.
std::vector<double> per_channel(const onnx::NodeProto& node, const Constant& constant, const View& view) {
    const auto channels = static_cast<std::size_t>(view.shape.channels);
    const std::vector<std::int64_t> dims = view.dims();
    if (constant.dims.size() > dims.size())
        unsupported(label(node), fmt::format("its constant has {} dimensions, the value beside it {}",
                                             constant.dims.size(), dims.size()));
    if (const auto value = as_scalar(constant)) return std::vector<double>(channels, *value);
    const auto refuse = [&] {
        unsupported(label(node), "its constant is neither one number nor one per channel (shape [C, 1, 1])");
    };
    std::vector<std::int64_t> aligned(dims.size() - constant.dims.size(), 1);
    aligned.insert(aligned.end(), constant.dims.begin(), constant.dims.end());
    View read = view;  // what the constant depends on
    for (std::size_t i = 0; i < dims.size(); ++i) {
        if (aligned[i] != 1 && aligned[i] != dims[i]) refuse();
        if (aligned[i] == 1) read.dimensions[i].clear();
    }
    const std::int64_t plane = std::int64_t{view.shape.height} * view.shape.width;
    const std::vector<std::int64_t> positions = read.positions();
    std::vector<double> values(channels, 0.0);
    std::vector<bool> known(channels, false);
    for (std::size_t i = 0; i < positions.size(); ++i) {
        const auto channel = static_cast<std::size_t>(positions[i] / plane);
        if (known[channel] && values[channel] != constant.values[i]) refuse();
        values[channel] = constant.values[i];
        known[channel] = true;
    }
    if (!known.back()) values.assign(channels, values[0]);  // it varies, if at all, over other axes
    return values;
}

View affine(Reader& reader, const onnx::NodeProto& node, const View& in, std::vector<double> scale,
            std::vector<double> shift, bool normalises = false) {
    return reader.append_alike(layer_name(node), in, Affine{in.value, std::move(scale), std::move(shift), normalises});
}

View scaled(Reader& reader, const onnx::NodeProto& node, const View& in, std::vector<double> scale) {
    std::vector<double> shift(scale.size(), 0.0);
    return affine(reader, node, in, std::move(scale), std::move(shift));
}

bool same_shape(const View& left, const View& right) {
    return left.shape == right.shape && left.dimensions == right.dimensions;
}

/// The sum of all inputs, constants among them, times a factor.
View sum_of_all(Reader& reader, const onnx::NodeProto& node, double factor) {
    std::optional<View> sum;
    for (int i = 0; i < node.input_size(); ++i) {
        if (reader.constant(node, i)) continue;
        const View& next = reader.unpadded(node, i);
        if (sum && !same_shape(*sum, next)) unsupported(layer_name(node), kDifferentShapes);
        sum = sum ? reader.append_alike(layer_name(node), next, Sum{sum->value, next.value, 1}) : next;
    }
    std::vector<double> shift(static_cast<std::size_t>(sum->shape.channels), 0.0);
    for (int i = 0; i < node.input_size(); ++i)
        if (const Constant* constant = reader.constant(node, i))
            std::ranges::transform(shift, per_channel(node, *constant, *sum), shift.begin(), std::plus<>());
    for (double& value : shift) value *= factor;
    if (factor == 1 && std::ranges::all_of(shift, [](double value) { return value == 0; })) return *sum;
    std::vector<double> scale(shift.size(), factor);
    return affine(reader, node, *sum, std::move(scale), std::move(shift));
}

View sum(Reader& reader, const onnx::NodeProto& node, double sign) {
    if (node.input_size() != 2) broken("node " + label(node) + " must have two inputs");
    const Constant* left = reader.constant(node, 0);
    const Constant* right = reader.constant(node, 1);
    if (left || right) {
        const View& in = reader.unpadded(node, left ? 1 : 0);
        std::vector<double> shift = per_channel(node, left ? *left : *right, in);
        if (right)
            for (double& value : shift) value *= sign;
        return affine(reader, node, in, std::vector<double>(shift.size(), left ? sign : 1.0), shift);
    }
    const View &first = reader.unpadded(node, 0), &second = reader.unpadded(node, 1);
    if (!same_shape(first, second)) unsupported(layer_name(node), kDifferentShapes);
    return reader.append_alike(layer_name(node), first, Sum{first.value, second.value, sign});
}

}  // namespace

View read_add(Reader& reader, const onnx::NodeProto& node) { return sum(reader, node, 1); }
View read_sub(Reader& reader, const onnx::NodeProto& node) { return sum(reader, node, -1); }

View read_sum(Reader& reader, const onnx::NodeProto& node) { return sum_of_all(reader, node, 1); }
View read_mean(Reader& reader, const onnx::NodeProto& node) {
    return sum_of_all(reader, node, 1.0 / node.input_size());
}

View read_mul(Reader& reader, const onnx::NodeProto& node) {
    if (node.input_size() != 2) broken("node " + label(node) + " must have two inputs");
    const Constant* left = reader.constant(node, 0);
    const Constant* right = reader.constant(node, 1);
    if (left || right) {
        const View& in = reader.unpadded(node, left ? 1 : 0);
        return scaled(reader, node, in, per_channel(node, left ? *left : *right, in));
    }
    const View &first = reader.unpadded(node, 0), &second = reader.unpadded(node, 1);
    if (!same_shape(first, second)) unsupported(label(node), "it multiplies tensors of different shapes");
    return reader.append_alike(label(node), first, Product{first.value, second.value});
}

View read_div(Reader& reader, const onnx::NodeProto& node) {
    const Constant* divisor = node.input_size() == 2 ? reader.constant(node, 1) : nullptr;
    if (!divisor)
        unsupported(label(node), "it divides by something that depends on the image. Flash divides by constants");
    const View& in = reader.unpadded(node, 0);
    std::vector<double> scale = per_channel(node, *divisor, in);
    for (double& value : scale) {
        if (value == 0) unsupported(label(node), "it divides by zero");
        value = 1 / value;
    }
    return scaled(reader, node, in, std::move(scale));
}

View read_pow(Reader& reader, const onnx::NodeProto& node) {
    const auto exponent = as_scalar(reader.needed_constant(node, 1, "the exponents of Pow"));
    const View& in = reader.unpadded(node, 0);
    if (exponent == 1.0) return in;
    if (exponent != 2.0)
        unsupported(label(node), "its exponent is not 2. Flash runs activations of degree two, a*x*x + b*x + c");
    return reader.append_alike(label(node), in, Product{in.value, in.value});
}

View read_neg(Reader& reader, const onnx::NodeProto& node) {
    const View& in = reader.unpadded(node, 0);
    return scaled(reader, node, in, std::vector<double>(static_cast<std::size_t>(in.shape.channels), -1.0));
}

View read_sin(Reader& reader, const onnx::NodeProto& node) {
    const View& in = reader.unpadded(node, 0);
    return reader.append_alike(label(node), in, SineOf{in.value, false});
}
View read_cos(Reader& reader, const onnx::NodeProto& node) {
    const View& in = reader.unpadded(node, 0);
    return reader.append_alike(label(node), in, SineOf{in.value, true});
}

View read_clip(Reader& reader, const onnx::NodeProto& node) {
    const auto bound = [&](int index, const char* name, double fallback) {
        if (!Reader::has_input(node, index)) {  // an infinite one bounds nothing
            const auto* a = attribute(node, name, onnx::AttributeProto::FLOAT);
            const double value = a ? static_cast<double>(a->f()) : fallback;
            if (std::isnan(value)) unsupported(label(node), "one of its bounds is not a number");
            return value;
        }
        const auto value = as_scalar(reader.needed_constant(node, index, "the bounds of a Clip"));
        if (!value) unsupported(label(node), "its bounds are not single numbers");
        return *value;
    };
    const double infinity = std::numeric_limits<double>::infinity();
    const View& in = reader.unpadded(node, 0);
    return reader.append_alike(label(node), in, Clip{in.value, bound(1, "min", -infinity), bound(2, "max", infinity)});
}

View read_batch_norm(Reader& reader, const onnx::NodeProto& node) {
    const View& in = reader.unpadded(node, 0);
    if (integer_attribute(node, "training_mode", 0) != 0)
        unsupported(label(node), "it is in training mode. Call model.eval() before the export");
    if (integer_attribute(node, "spatial", 1) == 0)
        unsupported(label(node), "it normalises every pixel by itself (spatial = 0). Normalise per channel");
    const Axes channel_axis = view_as(0, in.shape, {{Axis::kChannel}}).dimensions[0];
    if (in.dimensions.size() < 2 || in.dimensions[1] != channel_axis)
        unsupported(label(node),
                    in.flat() ? "batch normalisation of a flattened map is not supported. Normalise before flattening, "
                                "or after the fully connected layer"
                              : "its second dimension is not that of the channels. The order of axes must stay [N, C, "
                                "H, W] in front of a batch normalisation");
    const auto channels = static_cast<std::size_t>(in.shape.channels);
    const double epsilon = float_attribute(node, "epsilon", 1e-5);
    const std::vector<double>* p[4];
    for (int i = 0; i < 4; ++i) {
        p[i] = &reader.needed_constant(node, i + 1, "the parameters of a batch norm").values;
        if (p[i]->size() != channels) broken("node " + label(node) + ": its parameters do not fit its input");
    }
    std::vector<double> scale(channels), shift(channels);
    for (std::size_t c = 0; c < channels; ++c) {
        scale[c] = (*p[0])[c] / std::sqrt((*p[3])[c] + epsilon);
        if (!std::isfinite(scale[c])) unsupported(label(node), "its variance is negative or zero");
        shift[c] = (*p[1])[c] - scale[c] * (*p[2])[c];
    }
    return affine(reader, node, in, std::move(scale), std::move(shift), true);
}

}  // namespace flash::compiler
