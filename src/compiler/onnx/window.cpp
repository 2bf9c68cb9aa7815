#include "compiler/onnx/window.h"

#include <fmt/format.h>

#include <algorithm>

#include "compiler/onnx/node.h"

namespace flash::compiler {
namespace {

/// Two entries, for height and width.
std::vector<std::int64_t> pair_attribute(const onnx::NodeProto& node, const char* name) {
    std::vector<std::int64_t> values = integers_attribute(node, name);
    if (values.empty()) values.assign(2, 1);
    if (values.size() != 2) unsupported(label(node), fmt::format("{} must have two entries (height, width)", name));
    return values;
}

}  // namespace

model::Window read_window(const onnx::NodeProto& node, const View& in, const std::vector<std::int64_t>& kernel) {
    if (kernel.size() != 2) unsupported(label(node), "it is not two-dimensional");
    const std::vector<std::int64_t> stride = pair_attribute(node, "strides"),
                                    dilation = pair_attribute(node, "dilations");
    for (std::int64_t value : {kernel[0], kernel[1], stride[0], stride[1], dilation[0], dilation[1]})
        if (value < 1 || value > model::kMaxExtent)
            unsupported(label(node),
                        fmt::format("a kernel extent, stride or dilation is not in 1..{}", model::kMaxExtent));
    const std::int64_t reach[] = {(kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1};
    for (std::int64_t value : reach)
        if (value > model::kMaxExtent)
            unsupported(label(node),
                        fmt::format("its dilated kernel reaches over more than {} pixels", model::kMaxExtent));
    std::vector<std::int64_t> pads = integers_attribute(node, "pads");
    const std::string mode = string_attribute(node, "auto_pad", "NOTSET");
    if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
        pads.assign(4, 0);
        const std::int64_t extent[] = {in.shape.height + in.pads[0] + in.pads[2],
                                       in.shape.width + in.pads[1] + in.pads[3]};
        for (std::size_t i = 0; i < 2; ++i) {
            const std::int64_t out = (extent[i] + stride[i] - 1) / stride[i];
            const std::int64_t total = std::max<std::int64_t>(0, (out - 1) * stride[i] + reach[i] - extent[i]);
            pads[i] = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
            pads[i + 2] = total - pads[i];
        }
    } else if (mode != "NOTSET" && mode != "VALID") {
        unsupported(label(node), "auto_pad " + mode + " is unknown");
    }
    if (pads.empty() || mode == "VALID") pads.assign(4, 0);
    if (pads.size() != 4) unsupported(label(node), "pads must have four entries");
    for (std::size_t i = 0; i < 4; ++i) {
        if (pads[i] < 0 || pads[i] > model::kMaxExtent)
            unsupported(label(node), "its padding is negative or too large");
        pads[i] += in.pads[i];
        if (pads[i] > model::kMaxExtent) unsupported(label(node), "its padding is too large");
    }
    return {static_cast<int>(kernel[0]),  static_cast<int>(kernel[1]), static_cast<int>(stride[0]),
            static_cast<int>(stride[1]),  static_cast<int>(pads[0]),   static_cast<int>(pads[1]),
            static_cast<int>(pads[2]),    static_cast<int>(pads[3]),   static_cast<int>(dilation[0]),
            static_cast<int>(dilation[1])};
}

model::Shape window_output(const model::Shape& in, int channels, const model::Window& window, const std::string& node) {
    const model::Shape out{channels, window.out_height(in.height), window.out_width(in.width)};
    if (out.height < 1 || out.width < 1)
        unsupported(node, fmt::format("the {} x {} window is larger than its {} x {} input", window.reach_h(),
                                      window.reach_w(), in.height, in.width));
    if (channels < 1 || channels > model::kMaxChannels || out.height > model::kMaxExtent ||
        out.width > model::kMaxExtent || out.size() > model::kMaxMapValues)
        unsupported(node, fmt::format("its output of {} x {} x {} is larger than Flash allows", channels, out.height,
                                      out.width));
    return out;
}

}  // namespace flash::compiler
