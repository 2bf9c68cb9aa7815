// Windows of convolutions and poolings as ONNX writes them.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>
#include <vector>

#include "compiler/onnx/view.h"
#include "model/architecture.h"

namespace flash::compiler {

/// A node's window from its attributes (strides, dilations, pads, auto_pad), with what a Pad put around the map.
model::Window read_window(const onnx::NodeProto& node, const View& in, const std::vector<std::int64_t>& kernel);
/// What a window makes of a map. Error(kUnsupported), naming the node, if it does not fit or the result is too large.
model::Shape window_output(const model::Shape& in, int channels, const model::Window& window, const std::string& node);

}  // namespace flash::compiler
