// Tensors whose values lie in a file beside the ONNX model, as exporters write them for large models. Only regular
// files inside the model's own folder are read: a model cannot name files elsewhere, nor by way of a symbolic link.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstddef>
#include <filesystem>
#include <string>

namespace flash::compiler {

class ExternalData {
public:
    /// The folder that the model lies in.
    explicit ExternalData(std::filesystem::path folder) : folder_(std::move(folder)) {}

    /// The tensor's bytes. Error(kFile): the file is missing or too short, or not where it may be.
    std::string read(const onnx::TensorProto& tensor, std::size_t bytes, const std::string& what) const;

private:
    std::filesystem::path folder_;
};

}  // namespace flash::compiler
