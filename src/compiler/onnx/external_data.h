// Tensors whose values lie in a file beside the ONNX model, as exporters write them for large models. Only regular
// files inside the model's own folder are read: a model cannot name files elsewhere, nor by way of a symbolic link.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>

#include "base/sha1.h"

namespace flash::compiler {

class ExternalData {
public:
    /// The folder that the model lies in.
    explicit ExternalData(std::filesystem::path folder) : folder_(std::move(folder)) {}

    /// The tensor's bytes. Error(kFile): the file is missing, too short, not where it may be, or of another checksum
    /// than the model says.
    std::string read(const onnx::TensorProto& tensor, std::size_t bytes, const std::string& what) const;

private:
    void check_digest(int file, const std::filesystem::path& location, const std::string& wanted,
                      const std::string& what) const;

    std::filesystem::path folder_;
    mutable std::map<std::string, Sha1> digests_;  // of files whose checksum was asked for
};

}  // namespace flash::compiler
