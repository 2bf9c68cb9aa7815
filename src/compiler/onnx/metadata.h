// What Flash reads of an ONNX model's metadata_props: its name, class names and the preprocessing of pictures.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>

#include "compiler/compile.h"

namespace flash::compiler {

/// Fills name, preprocessing and class names. Error(kInvalidArgument) where they are malformed.
void read_metadata(const onnx::ModelProto& model, const std::string& default_name, ImportedModel& imported);

}  // namespace flash::compiler
