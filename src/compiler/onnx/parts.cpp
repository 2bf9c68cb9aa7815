// Operators that put maps side by side, take parts of them, or put something around them.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "compiler/onnx/node.h"
#include "compiler/onnx/operators.h"
#include "compiler/onnx/window.h"

namespace flash::compiler {
namespace {

constexpr const char* kPadOnly = "only padding by zeros is supported";

/// The axis that one dimension of a view runs over. One of extent 1 is known by its place in [N, C, H, W] and
/// [N, H, W, C].
std::optional<Axis> axis_of(const View& view, std::size_t dimension) {
    const Axes& axes = view.dimensions[dimension];
    if (axes.size() == 1) return axes[0];
    const std::vector<Axis> first = {Axis::kChannel, Axis::kRow, Axis::kColumn},
                            last = {Axis::kRow, Axis::kColumn, Axis::kChannel};
    if (!axes.empty() || dimension == 0 || !(view.image() || view.channels_last())) return std::nullopt;
    return (view.image() ? first : last)[dimension - 1];
}

constexpr std::size_t kMaxCopied = std::size_t{1} << 26;  // weights of a convolution that copies

/// Some channels of a map, or `fill` where the list has -1: a convolution of single pixels. The channels are along
/// `dimension` of the view.
View copy_channels(Reader& reader, const onnx::NodeProto& node, const View& in, std::size_t dimension,
                   const std::vector<std::int64_t>& channels, const std::vector<double>& fill) {
    if (channels.empty()) unsupported(label(node), "it takes none of the channels");
    if (channels.size() > static_cast<std::size_t>(model::kMaxChannels))
        unsupported(layer_name(node), fmt::format("it makes more than {} channels", model::kMaxChannels));
    const auto inputs = static_cast<std::size_t>(in.shape.channels);
    if (channels.size() * inputs > kMaxCopied)
        unsupported(layer_name(node), fmt::format("it picks {} of {} channels, a matrix of more than {} numbers",
                                                  channels.size(), inputs, kMaxCopied));
    Convolve copy{in.value, std::vector<double>(channels.size() * inputs, 0.0), fill, {}};
    for (std::size_t o = 0; o < channels.size(); ++o)
        if (channels[o] >= 0) copy.weights[o * inputs + static_cast<std::size_t>(channels[o])] = 1;
    const View out = reader.append(
        layer_name(node), {static_cast<int>(channels.size()), in.shape.height, in.shape.width}, std::move(copy));
    std::vector<Axes> dimensions = in.dimensions;
    dimensions[dimension] = {Axis::kChannel};
    return view_as(out.value, out.shape, dimensions);
}

View copy_channels(Reader& reader, const onnx::NodeProto& node, const View& in, std::size_t dimension,
                   const std::vector<std::int64_t>& channels) {
    return copy_channels(reader, node, in, dimension, channels, std::vector<double>(channels.size(), 0.0));
}

/// Kernel and stride with which a window takes a range of rows or columns; the kernel's pixel that counts is `start`.
struct Strided {
    int kernel = 1, stride = 1, at = 0;
};

Strided strided(const onnx::NodeProto& node, const Range& range, std::int64_t extent) {
    if (range.count < 1) unsupported(label(node), "it takes none of the rows or columns");
    if (range.step < 1)
        unsupported(label(node),
                    "it reverses rows or columns (a flip). Flip the pictures before the network sees them");
    const std::int64_t kernel = std::max(range.start + 1, extent - range.count * range.step + 1);
    return {static_cast<int>(kernel), static_cast<int>(std::min<std::int64_t>(range.step, model::kMaxExtent)),
            static_cast<int>(range.start)};
}

/// A range of rows and one of columns: every stride-th pixel, by a pooling of single pixels or a convolution that
/// copies one pixel of its window.
View take_pixels(Reader& reader, const onnx::NodeProto& node, const View& in, const Range& rows, const Range& columns) {
    const Strided r = strided(node, rows, in.shape.height), c = strided(node, columns, in.shape.width);
    const model::Window window{r.kernel, c.kernel, r.stride, c.stride};
    const std::string name = layer_name(node);
    const model::Shape shape = window_output(in.shape, in.shape.channels, window, name);
    if (r.kernel == 1 && c.kernel == 1)
        return reader.append_alike(name, {0, shape, in.dimensions}, Average{in.value, window});
    const auto channels = static_cast<std::size_t>(in.shape.channels),
               kernel = static_cast<std::size_t>(r.kernel) * static_cast<std::size_t>(c.kernel);
    Convolve copy{in.value, std::vector<double>(channels * kernel, 0.0), std::vector<double>(channels, 0.0), window,
                  in.shape.channels};
    const std::size_t at =
        static_cast<std::size_t>(r.at) * static_cast<std::size_t>(c.kernel) + static_cast<std::size_t>(c.at);
    for (std::size_t o = 0; o < channels; ++o) copy.weights[o * kernel + at] = 1;
    return reader.append_alike(name, {0, shape, in.dimensions}, std::move(copy));
}

/// What a slice, or one part of a split, takes of a map.
View take(Reader& reader, const onnx::NodeProto& node, View view, const std::vector<Range>& ranges) {
    const Dims dims = view.dims();
    Range rows{0, 1, view.shape.height}, columns{0, 1, view.shape.width};
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        if (ranges[i].whole(dims[i])) continue;
        const std::optional<Axis> axis = axis_of(view, i);
        if (!axis)
            unsupported(label(node),
                        fmt::format("it takes a part of dimension {}, which is no single axis of [N, C, H, W]. Slice "
                                    "the map before it is flattened",
                                    i));
        if (*axis == Axis::kRow) rows = ranges[i];
        if (*axis == Axis::kColumn) columns = ranges[i];
        if (*axis != Axis::kChannel) continue;
        std::vector<std::int64_t> channels;
        for (std::int64_t k = 0; k < ranges[i].count; ++k) channels.push_back(ranges[i].start + k * ranges[i].step);
        view = copy_channels(reader, node, view, i, channels);
    }
    if (!rows.whole(view.shape.height) || !columns.whole(view.shape.width)) {
        const View out = take_pixels(reader, node, view, rows, columns);
        view = view_as(out.value, out.shape, out.dimensions);
    }
    return view;
}

/// A constant that is put beside a map: its channels' values. It must be the same at every pixel.
std::vector<double> channel_values(const onnx::NodeProto& node, const Constant& constant, const View& beside,
                                   std::size_t axis) {
    const Dims dims = beside.dims();
    std::size_t inner = 1;
    bool fits = constant.dims.size() == dims.size();
    for (std::size_t i = 0; fits && i < dims.size(); ++i) {
        fits = i == axis || constant.dims[i] == dims[i];
        if (i > axis) inner *= static_cast<std::size_t>(dims[i]);
    }
    if (!fits) broken("node " + label(node) + ": its inputs do not match");
    const auto channels = static_cast<std::size_t>(constant.dims[axis]);
    std::vector<double> values(channels, 0.0);
    for (std::size_t i = 0; i < constant.values.size(); ++i) {
        double& value = values[i / inner % channels];
        if (i / inner < channels && i % inner == 0) value = constant.values[i];
        if (value != constant.values[i])
            unsupported(label(node),
                        "it appends a constant that differs from pixel to pixel. Flash appends one number "
                        "per channel");
    }
    return values;
}

/// The dimension of a concatenation: it must run over the channels, and over nothing slower; one channel leaves no
/// trace in it.
bool along_channels(const View& part, std::int64_t axis) {
    if (axis < 1 || axis >= static_cast<std::int64_t>(part.dimensions.size())) return false;
    const Axes& axes = part.dimensions[axis];
    return part.shape.channels == 1 ? axes.empty() : !axes.empty() && axes.front() == Axis::kChannel;
}

}  // namespace

View read_concat(Reader& reader, const onnx::NodeProto& node) {
    int first = 0;
    while (reader.constant(node, first)) ++first;
    const View example = reader.unpadded(node, first);
    const auto rank = static_cast<std::int64_t>(example.dimensions.size());
    std::int64_t axis = integer_attribute(node, "axis", 0);
    if (axis < 0) axis += rank;
    const auto refuse_axis = [&] { unsupported(label(node), "Flash concatenates along the channels only (axis 1)"); };
    std::vector<View> parts;
    std::vector<double> leading;  // constants in front of the first map
    for (int i = 0; i < node.input_size(); ++i) {
        if (const Constant* constant = reader.constant(node, i)) {
            const auto along = static_cast<std::size_t>(axis);
            if (!along_channels(example, axis) || axis_of(example, along) != Axis::kChannel) refuse_axis();
            const std::vector<double> values = channel_values(node, *constant, example, along);
            if (parts.empty()) {
                leading.insert(leading.end(), values.begin(), values.end());
                continue;
            }
            View& part = parts.back();
            std::vector<double> fill(static_cast<std::size_t>(part.shape.channels), 0.0);
            std::vector<std::int64_t> channels(fill.size());
            std::iota(channels.begin(), channels.end(), 0);
            channels.insert(channels.end(), values.size(), -1);
            fill.insert(fill.end(), values.begin(), values.end());
            part = copy_channels(reader, node, part, along, channels, fill);
            continue;
        }
        View part = reader.unpadded(node, i);
        if (part.shape.height != example.shape.height || part.shape.width != example.shape.width ||
            part.dimensions.size() != example.dimensions.size())
            unsupported(layer_name(node), "it concatenates maps of different height or width");
        if (!along_channels(part, axis)) refuse_axis();
        if (!leading.empty()) {
            std::vector<std::int64_t> channels(leading.size(), -1);
            for (int c = 0; c < part.shape.channels; ++c) channels.push_back(c);
            std::vector<double> fill = std::move(leading);
            leading.clear();
            fill.resize(channels.size(), 0.0);
            part = copy_channels(reader, node, part, static_cast<std::size_t>(axis), channels, fill);
        }
        parts.push_back(part);
    }
    Concatenate all;
    View out = parts[0];
    out.shape.channels = 0;
    for (View& part : parts) {
        Axes& axes = part.dimensions[axis];
        if (part.shape.channels == 1) axes.insert(axes.begin(), Axis::kChannel);
        if (all.of.empty()) out.dimensions = part.dimensions;
        if (part.dimensions != out.dimensions) refuse_axis();
        all.of.push_back(part.value);
        out.shape.channels += part.shape.channels;
        if (out.shape.channels > model::kMaxChannels)
            unsupported(layer_name(node), fmt::format("it makes more than {} channels", model::kMaxChannels));
    }
    return reader.append_alike(layer_name(node), view_as(0, out.shape, out.dimensions), std::move(all));
}

View read_slice(Reader& reader, const onnx::NodeProto& node) {
    const View& in = reader.unpadded(node, 0);
    return take(reader, node, in, slice_ranges(node, in.dims(), reader.parameters(node, "the bounds of a Slice")));
}

std::vector<View> read_split(Reader& reader, const onnx::NodeProto& node) {
    const View in = reader.unpadded(node, 0);
    const Dims dims = in.dims();
    const std::size_t axis = resolve_axis(node, integer_attribute(node, "axis", 0), dims.size());
    std::vector<View> parts;
    std::int64_t start = 0;
    for (std::int64_t size : split_sizes(node, dims[axis], reader.parameters(node, "the sizes of a Split"))) {
        std::vector<Range> ranges;
        for (std::int64_t extent : dims) ranges.push_back({0, 1, extent});
        ranges[axis] = {start, 1, size};
        parts.push_back(take(reader, node, in, ranges));
        start += size;
    }
    return parts;
}

View read_gather(Reader& reader, const onnx::NodeProto& node) {
    const View in = reader.unpadded(node, 0);
    const Constant& indices = reader.needed_constant(node, 1, "the indices of a Gather");
    const std::size_t axis = resolve_axis(node, integer_attribute(node, "axis", 0), in.dimensions.size());
    if (indices.dims.size() > 1) unsupported(label(node), "its indices are not a list");
    const std::int64_t extent = in.dims()[axis];
    std::vector<std::int64_t> list = as_integers(indices);
    for (std::int64_t& index : list) {
        if (index < -extent || index >= extent) broken("node " + label(node) + ": an index is out of range");
        if (index < 0) index += extent;
    }
    const std::optional<Axis> kind = axis_of(in, axis);
    View out = in;
    if (kind == Axis::kChannel) {
        out = copy_channels(reader, node, in, axis, list);
    } else if (list != std::vector<std::int64_t>{0} || extent != 1) {
        unsupported(label(node), "it gathers from an axis other than the channels. Use a slice");
    }
    if (indices.dims.empty()) out.dimensions.erase(out.dimensions.begin() + static_cast<std::ptrdiff_t>(axis));
    return out;
}

View read_pad(Reader& reader, const onnx::NodeProto& node) {
    View out = reader.view(node, 0);
    const std::size_t rank = out.dimensions.size();
    if (string_attribute(node, "mode", "constant") != "constant")
        unsupported(label(node), std::string(kPadOnly) + ", not by copies of the border. Use padding_mode=\"zeros\"");
    Dims pads = Reader::has_input(node, 1) ? as_integers(reader.needed_constant(node, 1, "the pads of Pad"))
                                           : integers_attribute(node, "pads");
    double value = float_attribute(node, "value", 0);
    if (Reader::has_input(node, 2)) {
        const auto given = as_scalar(reader.needed_constant(node, 2, "the value of Pad"));
        if (!given) broken("node " + label(node) + ": its value is not a single number");
        value = *given;
    }
    if (Reader::has_input(node, 3)) {  // the dimensions that the pads are for
        const Dims axes = as_integers(reader.needed_constant(node, 3, "the axes of Pad"));
        if (pads.size() != 2 * axes.size()) broken("node " + label(node) + ": its pads do not match its axes");
        Dims all(2 * rank, 0);
        for (std::size_t i = 0; i < axes.size(); ++i) {
            const std::size_t axis = resolve_axis(node, axes[i], rank);
            all[axis] = pads[i];
            all[rank + axis] = pads[axes.size() + i];
        }
        pads = all;
    }
    if (pads.size() != 2 * rank) broken("node " + label(node) + ": its pads do not match its input");
    // Negative pads cut off.
    std::vector<Range> ranges;
    bool cut = false;
    const Dims dims = out.dims();
    for (std::size_t i = 0; i < rank; ++i) {
        std::int64_t &before = pads[i], &after = pads[rank + i];
        if (std::min(before, after) < -model::kMaxExtent || std::max(before, after) > model::kMaxChannels)
            unsupported(label(node), "its padding is negative or too large");
        const std::int64_t first = std::max<std::int64_t>(0, -before), last = std::max<std::int64_t>(0, -after);
        ranges.push_back({first, 1, dims[i] - first - last});
        cut = cut || first > 0 || last > 0;
        before = std::max<std::int64_t>(before, 0);
        after = std::max<std::int64_t>(after, 0);
    }
    if (cut) out = take(reader, node, reader.unpadded(node, 0), ranges);
    for (std::size_t i = 0; i < rank; ++i) {
        const std::int64_t before = pads[i], after = pads[rank + i];
        if (before == 0 && after == 0) continue;
        const std::optional<Axis> axis = axis_of(out, i);
        if (!axis) unsupported(label(node), "only the channels and the two spatial axes can be padded");
        if (*axis == Axis::kChannel) {
            if (out.padded()) unsupported(label(node), "it pads the channels of a map that is padded already");
            std::vector<std::int64_t> channels(static_cast<std::size_t>(before), -1);
            for (int c = 0; c < out.shape.channels; ++c) channels.push_back(c);
            channels.insert(channels.end(), static_cast<std::size_t>(after), -1);
            std::vector<double> fill(channels.size(), 0.0);
            for (std::size_t c = 0; c < fill.size(); ++c)
                if (channels[c] < 0) fill[c] = value;
            out = copy_channels(reader, node, out, i, channels, fill);
            continue;
        }
        if (value != 0) unsupported(label(node), kPadOnly);
        const std::size_t side = *axis == Axis::kRow ? 0 : 1;
        if (std::max(out.pads[side] + before, out.pads[side + 2] + after) > model::kMaxExtent)
            unsupported(label(node), fmt::format("it pads by more than {} rows or columns", model::kMaxExtent));
        out.pads[side] += static_cast<int>(before);
        out.pads[side + 2] += static_cast<int>(after);
    }
    return out;
}

}  // namespace flash::compiler
