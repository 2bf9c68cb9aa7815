// Averages over windows and over the whole map.
#include <algorithm>

#include "base/error.h"
#include "compiler/onnx/node.h"
#include "compiler/onnx/operators.h"
#include "compiler/onnx/window.h"

namespace flash::compiler {
namespace {

/// Windows that stick out at the end of a ceil_mode pooling: as many rows of padding as they need, which no mean
/// counts. None begins beyond the map. Whether there are such.
bool stick_out(int extent, int before, int& after, int kernel, int stride) {
    int last = (extent + before + after - kernel + stride - 1) / stride * stride;
    if (last >= extent + before) last -= stride;
    const int more = last + kernel - (extent + before + after);
    after += std::max(more, 0);
    return more > 0;
}

View average(Reader& reader, const onnx::NodeProto& node, const View& in, const model::Window& window) {
    const std::string name = layer_name(node);
    return reader.append(name, window_output(in.shape, in.shape.channels, window, name), Average{in.value, window});
}

struct Mean {
    View out;
    std::int64_t pixels;  ///< that each of its values is the mean of
};

/// The mean over some dimensions, which must be rows or columns of the map.
Mean mean(Reader& reader, const onnx::NodeProto& node) {
    const View& in = reader.unpadded(node, 0);
    const std::vector<bool> reduced = reduced_dims(node, in.dimensions.size(), reader.parameters(node, "axes"));
    bool rows = false, columns = false;
    std::vector<Axes> dimensions;
    for (std::size_t i = 0; i < reduced.size(); ++i) {
        if (!reduced[i]) {
            dimensions.push_back(in.dimensions[i]);
            continue;
        }
        if (integer_attribute(node, "keepdims", 1) != 0) dimensions.emplace_back();
        for (Axis axis : in.dimensions[i]) {
            if (axis == Axis::kChannel)
                unsupported(label(node),
                            "Flash takes means and sums over the spatial axes only, not over the channels. Use "
                            "adaptive average pooling to 1 x 1");
            (axis == Axis::kRow ? rows : columns) = true;
        }
    }
    model::Window window;
    if (rows) window.kernel_h = in.shape.height;
    if (columns) window.kernel_w = in.shape.width;
    const bool whole = (rows || in.shape.height == 1) && (columns || in.shape.width == 1);
    if (!whole) {  // windows side by side: means of means fold into one
        window.stride_h = window.kernel_h;
        window.stride_w = window.kernel_w;
    }
    const View out = average(reader, node, in, window);
    return {view_as(out.value, out.shape, dimensions), std::int64_t{window.kernel_h} * window.kernel_w};
}

}  // namespace

View read_average_pool(Reader& reader, const onnx::NodeProto& node) {
    const View& in = reader.image(node, 0);
    const std::vector<std::int64_t> kernel = integers_attribute(node, "kernel_shape");
    if (std::ranges::any_of(integers_attribute(node, "dilations"), [](std::int64_t d) { return d != 1; }))
        unsupported(label(node), "its dilations are not 1. Flash pools over windows without gaps");
    const model::Window own = read_window(node, image_view(in.value, in.shape), kernel);
    model::Window w = read_window(node, in, kernel);
    if (string_attribute(node, "auto_pad", "NOTSET").starts_with("SAME") && in.padded())
        unsupported(label(node), "a Pad in front of auto_pad is not supported");
    const bool include = integer_attribute(node, "count_include_pad", 0) != 0;
    const bool own_padding = own.pad_top != 0 || own.pad_left != 0 || own.pad_bottom != 0 || own.pad_right != 0;
    w.level = own_padding && !include;
    if (integer_attribute(node, "ceil_mode", 0) != 0) {
        const bool rows = stick_out(in.shape.height, w.pad_top, w.pad_bottom, w.kernel_h, w.stride_h);
        const bool columns = stick_out(in.shape.width, w.pad_left, w.pad_right, w.kernel_w, w.stride_w);
        if ((rows || columns) && (in.padded() || (own_padding && include)))
            unsupported(label(node),
                        "ceil_mode with windows that stick out beyond a padding that counts is not supported. Use "
                        "ceil_mode=False");
        w.level = w.level || rows || columns;
    }
    if (w.level && in.padded())
        unsupported(label(node), "a Pad in front of padding that does not count is not supported");
    if (w.level) {
        try {
            if (w.out_height(in.shape.height) > 0 && w.out_width(in.shape.width) > 0) model::pool_levels(in.shape, w);
        } catch (const Error&) {
            unsupported(label(node),
                        "its windows hold too many different numbers of pixels near the border. Export it with "
                        "count_include_pad=True, or without padding");
        }
    }
    return average(reader, node, in, w);
}

View read_global_average_pool(Reader& reader, const onnx::NodeProto& node) {
    reader.image(node, 0);
    const View& in = reader.unpadded(node, 0);
    return average(reader, node, in, {in.shape.height, in.shape.width});
}

View read_reduce_mean(Reader& reader, const onnx::NodeProto& node) { return mean(reader, node).out; }

View read_reduce_sum(Reader& reader, const onnx::NodeProto& node) {
    const Mean taken = mean(reader, node);
    const auto channels = static_cast<std::size_t>(taken.out.shape.channels);
    return reader.append_alike(layer_name(node), taken.out,
                               Affine{taken.out.value, std::vector<double>(channels, static_cast<double>(taken.pixels)),
                                      std::vector<double>(channels, 0.0)});
}

}  // namespace flash::compiler
